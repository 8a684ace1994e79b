// OpenedSockets: listening sockets for Weldrs that run in the test's process, all opened by one child process, instead of a
// child process of each Weldr.
import { type ChildProcess, fork, type SendHandle } from 'node:child_process';
import { once } from 'node:events';
import type { HeldSocket } from '../../../core/process/held-sockets.ts';
import type { OpenedMessage, OpenerMessage } from '../../../core/process/listening-sockets.ts';
import { closeHandle } from '../../../core/process/socket-handle.ts';

/** A listening socket that a Weldr can take over, and how to close it. */
export interface OpenedSocket {
  readonly port: number;
  readonly held: HeldSocket;
  close(): void;
}

/** Starts the child process with the first socket. Always `close` it. */
export class OpenedSockets {
  private opener: ChildProcess | undefined;
  private count = 0;

  /** Opens a socket on a free port of 127.0.0.1, one at a time. */
  async open(): Promise<OpenedSocket> {
    this.opener ??= fork(new URL('../../../core/process/socket-opener.ts', import.meta.url));
    const opener = this.opener;
    const target = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
    const wish: OpenerMessage = { type: 'open', request: this.count++, target, backlog: 100 };
    return await new Promise<OpenedSocket>((resolve, reject) => {
      opener.once('message', (answer: OpenedMessage, handle: SendHandle) => {
        if (answer.type === 'failed') return reject(new Error(answer.message));
        const { port } = answer;
        const held = { address: `127.0.0.1:${port}`, handle, listenedAs: undefined };
        resolve({ port, held, close: () => closeHandle(handle) });
      });
      opener.send(wish);
    });
  }

  async close(): Promise<void> {
    if (this.opener === undefined) return;
    const exited = once(this.opener, 'exit');
    this.opener.disconnect();
    await exited;
  }
}
