// What a plugin is and what it is handed: the core's contract with all of them.
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Clock } from '../clock.ts';
import { WeldrError } from '../errors.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { Pools } from '../pool/pool.ts';
import type { PoolStore } from '../pool/store.ts';
import { parse } from '../settings/options.ts';
import type { Overrides } from '../settings/settings.ts';
import type { AdminRoutes } from './admin.ts';
import type { ManagerHooks, RequestHooks } from './hooks.ts';

/**
 * One feature. `worker` runs in each process that proxies, `manager` in the one that owns the pools; either may be
 * asynchronous, and what it throws stops the start with a message that names the plugin. Order is the order of the
 * config's array.
 */
export interface Plugin {
  /** Unique in a config; names the plugin in logs and errors. */
  readonly name: string;
  worker?(worker: WorkerSide): void | Promise<void>;
  /** May be called again after its clean-up: a reload that fails brings the plugins of the old config back. */
  manager?(manager: ManagerSide): void | Promise<void>;
  /**
   * There when the options are not valid: makes the error, `where` put before the fields' paths. Whoever starts
   * plugins throws it instead. Set by {@link definePlugin}.
   */
  invalid?(where: string): WeldrError;
}

/**
 * Makes a plugin from its options. Options that its schema refuses do not throw here, where the place in the config
 * is not known yet, but where the config is checked: `plugins[1].interval: expected a duration such as "30s"`.
 */
export function definePlugin<T extends z.ZodType>(
  name: string,
  schema: T,
  options: z.input<T>,
  build: (options: z.output<T>) => Omit<Plugin, 'name'>,
): Plugin {
  let parsed: z.output<T>;
  try {
    parsed = parse(schema, options);
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    return { name, invalid: where => optionsError(schema, options, where, thrown) };
  }
  return { ...build(parsed), name };
}

function optionsError<T extends z.ZodType>(
  schema: T,
  options: unknown,
  where: string,
  before: WeldrError,
): WeldrError {
  try {
    parse(schema, options, 'CONFIG_INVALID', where);
  } catch (thrown) {
    if (thrown instanceof WeldrError) return thrown;
  }
  return before;
}

/** What both sides get. */
interface Side {
  /** Logs with the plugin's name. */
  readonly log: Logger;
  /** The time, and timers; a fake one in tests. */
  readonly clock: Clock;
  /** Registers clean-up: run last in, first out, at the end or when the start failed half-way. May be async. */
  onClose(fn: () => void | Promise<void>): void;
}

/** The proxying side of a plugin. */
export interface WorkerSide extends Side {
  readonly hooks: RequestHooks;
  /** A replica of the manager's pools. */
  readonly pools: Pools;
  /** The number of this worker, from 1; it stays the same for its replacement. */
  readonly id: number;
  /** The plugin's own channel to its other side. */
  channel<ToManager, ToWorker>(): WorkerChannel<ToManager, ToWorker>;
}

/** The owning side of a plugin. */
export interface ManagerSide extends Side {
  readonly hooks: ManagerHooks;
  /** The pools, with the means to change them. */
  readonly pools: ManagedPools;
  /** Routes of the admin API; an admin plugin serves them. */
  readonly admin: AdminRoutes;
  /** Facts about this Weldr and its workers. */
  readonly status: ManagerStatus;
  /** What flags and environment say; it goes before the config's options. */
  readonly overrides: Overrides;
  /** Kept for the plugin of this name from one config to the next: what a reload must not lose. */
  readonly memory: Map<string, unknown>;
  /** Makes this store the home of pool changes. Throws CONFIG_INVALID when another plugin did so already. */
  useStore(store: PoolStore): Promise<void>;
  /** Reads the config anew; rejects with CONFIG_INVALID when it is not valid, and then nothing has changed. */
  reload(): Promise<void>;
  channel<ToManager, ToWorker>(): ManagerChannel<ToManager, ToWorker>;
}

/** The worker's end of a plugin's channel. What is sent crosses a process border as JSON. */
export interface WorkerChannel<ToManager, ToWorker> {
  send(message: ToManager): void;
  onMessage(listener: (message: ToWorker) => void): void;
}

/** The manager's end: one channel to all workers. */
export interface ManagerChannel<ToManager, ToWorker> {
  /** The numbers of the workers that can be sent to. */
  readonly workers: readonly number[];
  /** Sends to one worker; dropped when it has ended. */
  send(worker: number, message: ToWorker): void;
  broadcast(message: ToWorker): void;
  onMessage(listener: (message: ToManager, worker: number) => void): void;
}

/** What an orchestrator or a self-check wants to know. */
export interface ManagerStatus {
  readonly version: string;
  /** When this process started, ms since the epoch. */
  readonly startedAt: number;
  /** Workers that accept requests now; one that has not reacted for 2 s does not count. */
  readonly readyWorkers: number;
  /** Workers that there should be. */
  readonly wantedWorkers: number;
  /** The addresses that clients connect to, such as `0.0.0.0:8080`. */
  readonly listen: readonly string[];
  readonly stopping: boolean;
}
