// ManagerStatus as plugins read it: always current.
import { createHash } from 'node:crypto';
import type { ManagerStatus, Reloads } from '../plugin/plugin.ts';
import type { RecordedConfig } from './config-source.ts';
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
  /** The active config; undefined before the first. */
  config(): RecordedConfig | undefined;
  isStopping(): boolean;
  workerRestarts(): number;
  reloads(): Reloads;
  droppedLogLines(): number;
}

/** Cached by config: its modules may be long. */
const hashes = new WeakMap<RecordedConfig, string>();

function hashOf(config: RecordedConfig): string {
  const known = hashes.get(config);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  // The sources without their paths: two machines with the same config have the same hash.
  for (const { source } of config.recording.modules) hash.update(`${source.length}:${source}`);
  hash.update(JSON.stringify(config.settings));
  const hex = hash.digest('hex').slice(0, 16);
  hashes.set(config, hex);
  return hex;
}

/** Facts about a Weldr, kept up to date. */
export function liveStatus(source: StatusSource): ManagerStatus {
  return {
    version: source.version,
    startedAt: source.startedAt,
    get readyWorkers() {
      // During a reload the old workers take requests until the new ones do.
      let ready = 0;
      for (const group of source.groups()) ready += group.readyCount;
      return Math.min(ready, source.group()?.size ?? 0);
    },
    get silentWorkers() {
      let silent = 0;
      for (const group of source.groups()) silent += group.silentCount;
      return silent;
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
    get workerRestarts() {
      return source.workerRestarts();
    },
    get reloads() {
      return source.reloads();
    },
    get configHash() {
      const config = source.config();
      return config === undefined ? '' : hashOf(config);
    },
    get droppedLogLines() {
      return source.droppedLogLines();
    },
  };
}
