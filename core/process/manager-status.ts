// ManagerStatus as plugins read it: always what holds now.
import type { ManagerStatus } from '../plugin/plugin.ts';
import type { ListeningSockets } from './listening-sockets.ts';
import type { WorkerGroup } from './worker-group.ts';

/** What the status is read from. */
export interface StatusSource {
  readonly version: string;
  /** In ms since the epoch. */
  readonly startedAt: number;
  readonly sockets: ListeningSockets;
  /** All groups that have processes. */
  groups(): Iterable<WorkerGroup>;
  /** The one in charge. */
  group(): WorkerGroup | undefined;
  isStopping(): boolean;
}

/** Facts about a Weldr, kept up to date. */
export function liveStatus(source: StatusSource): ManagerStatus {
  return {
    version: source.version,
    startedAt: source.startedAt,
    get readyWorkers() {
      // At a reload the old workers take requests until the new ones do.
      let ready = 0;
      for (const group of source.groups()) ready += group.readyCount;
      return Math.min(ready, source.group()?.size ?? 0);
    },
    get wantedWorkers() {
      return source.group()?.size ?? 0;
    },
    get listen() {
      const listens = source.group()?.config.settings.listen ?? [];
      return source.sockets.of(listens).map(socket => socket.address);
    },
    get stopping() {
      return source.isStopping();
    },
  };
}
