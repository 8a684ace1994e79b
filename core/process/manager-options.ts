// What a manager needs from the process that it runs in.
import type { LogOptions, ProcessLog } from '../log/log.ts';
import type { Overrides } from '../settings/settings.ts';
import type { Batch } from '../state/row.ts';
import type { LoadConfig } from './config-source.ts';
import type { HeldSockets } from './held-sockets.ts';
import type { WorkerLink } from './links.ts';
import type { ServiceState } from './service-manager.ts';
import type { Predecessor, Successor } from './succession.ts';

/** What a manager works with. */
export interface ManagerOptions {
  /** The path of the config, which is passed to `load`. */
  readonly config: string;
  readonly overrides: Overrides;
  readonly load: LoadConfig;
  /** Starts a worker process. */
  spawn(): WorkerLink;
  /** A worker process that already boots, for a faster start; ended when it is not needed. */
  readonly firstWorker?: WorkerLink | undefined;
  /** The version of this Weldr. */
  readonly version: string;
  /** Open sockets, which are used where the config names their addresses. */
  readonly held?: HeldSockets | undefined;
  /** The process that this one replaces. */
  readonly predecessor?: Predecessor | undefined;
  /** Starts a process that replaces this one, see {@link Successor}. Throws CONFLICT where it cannot. */
  spawnSuccessor?(follow: (batch: Batch) => Promise<void>): Successor;
  /** Called when another process has taken over and this one has finished its requests. */
  onSucceeded?(): void;
  /** Receives state changes, each with a sentence about it. */
  onState?(state: ServiceState, text: string): void;
  /** Opens the log, once the level is known. */
  openLog(options: Pick<LogOptions, 'level' | 'file'>): Promise<ProcessLog>;
}
