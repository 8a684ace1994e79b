// The channels between the two sides, in one process: what is sent arrives later, in order, as JSON.
import type { ManagerChannel, WorkerChannel } from '../plugin/plugin.ts';

type Listener = (message: unknown, worker: number) => void;

interface WorkerEnd {
  readonly listeners: Listener[];
}

/** The channel of one plugin: the manager's end and one end for each worker. */
export class PluginLink {
  private readonly managerListeners: Listener[] = [];
  private readonly workerEnds = new Map<number, WorkerEnd>();

  /** The end of worker `id`; what was sent to it before it listened is lost, as with a process. */
  workerChannel<ToManager, ToWorker>(id: number): WorkerChannel<ToManager, ToWorker> {
    const end: WorkerEnd = this.workerEnds.get(id) ?? { listeners: [] };
    this.workerEnds.set(id, end);
    return {
      send: message => {
        const text = JSON.stringify(message);
        queueMicrotask(() => {
          // What a worker sent before its end arrives; what it sends after is lost.
          for (const listener of this.managerListeners) listener(JSON.parse(text), id);
        });
      },
      onMessage: listener => void end.listeners.push(listener as Listener),
    };
  }

  managerChannel<ToManager, ToWorker>(): ManagerChannel<ToManager, ToWorker> {
    const { workerEnds } = this;
    const send = (worker: number, message: ToWorker): void => {
      const text = JSON.stringify(message);
      queueMicrotask(() => {
        for (const listener of workerEnds.get(worker)?.listeners ?? []) listener(JSON.parse(text), worker);
      });
    };
    return {
      get workers() {
        return [...workerEnds.keys()];
      },
      send,
      broadcast: message => {
        for (const worker of workerEnds.keys()) send(worker, message);
      },
      onMessage: listener => void this.managerListeners.push(listener as Listener),
    };
  }

  /** The worker has ended. */
  disconnect(id: number): void {
    this.workerEnds.delete(id);
  }
}
