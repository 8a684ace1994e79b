// A worker in the manager's own process, for `workers: 0`: the same messages, copied as JSON, with nothing shared.
import type { SendHandle } from 'node:child_process';
import type { ManagerLink, WorkerLink } from './links.ts';
import type { ManagerMessage, WorkerMessage } from './messages.ts';

/** Makes a link within this process and calls `run` with the worker's end of it. */
export function localWorker(run: (link: ManagerLink) => void): WorkerLink {
  const toWorker = new Lane<ManagerMessage>();
  const toManager = new Lane<WorkerMessage>();
  const exitListeners: ((how: string) => void)[] = [];
  let ended = false;
  const end = (how: string): void => {
    if (ended) return;
    ended = true;
    toWorker.close();
    setImmediate(() => {
      toManager.close();
      for (const listener of exitListeners) listener(how);
    });
  };
  let disconnect = (): void => {};
  run({
    send: message => toManager.send(message),
    // One process has one event loop: while it hangs, no manager runs that could miss a beat, or replace anything.
    beat: () => {},
    onMessage: listener => toWorker.listen(listener),
    onDisconnect: listener => {
      disconnect = listener;
    },
    end: code => end(`exit code ${code}`),
  });
  return {
    pid: process.pid,
    beats: false,
    send: (message, socket) => toWorker.send(message, socket),
    onMessage: listener => toManager.listen(listener),
    onExit: listener => void exitListeners.push(listener),
    kill() {
      // The worker cleans up as it does when its manager dies, without waiting for anything.
      disconnect();
      end('ended');
    },
  };
}

/** One direction: each message is a copy, and arrives after the sender has returned. */
class Lane<T extends object> {
  private readonly listeners: ((message: T, socket: SendHandle | undefined) => void)[] = [];
  private closed = false;

  send(message: T, socket?: SendHandle): void {
    const text = JSON.stringify(message);
    setImmediate(() => {
      if (this.closed) return;
      for (const listener of this.listeners) listener(JSON.parse(text), socket);
    });
  }

  listen(listener: (message: T, socket: SendHandle | undefined) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    this.closed = true;
  }
}
