// WorkerSidesOptions: what the worker sides of a config's plugins work with.
import type { Logger } from 'pino';
import type { Pools } from '../pool/pools.ts';
import type { ConnectionCounts } from '../stages/connection-info.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';
import type { Clock } from '../time/clock.ts';
import type { DefinedPlugins } from './defined-plugins.ts';
import type { RowReplica } from './row-replica.ts';
import type { ProblemReport } from './scope-lists.ts';

/** One set for all sides of a worker. */
export interface WorkerSidesOptions {
  readonly worker: number;
  readonly pools: Pools;
  /** The rows of kinds that plugins own. */
  readonly rows: RowReplica;
  readonly log: Logger;
  readonly clock: Clock;
  /** The plugins that lists made at run time can name; default: none. */
  readonly defined?: DefinedPlugins | undefined;
  /** The longest that a plugin that is no longer listed waits for its requests before it ends, ms; default 30 000. */
  readonly drainTimeout?: number | undefined;
  /** Writes whole lines to where the log goes; false: they are lost. */
  writeLog(lines: string): boolean;
  /** Receives what a plugin threw outside of requests. */
  readonly report: ReportPluginError;
  /** Receives the problems with lists made at run time whose plugins do not all start here. */
  readonly onProblems?: ProblemReport | undefined;
  /** Sends a message of an instance to its manager side. */
  send(instance: string, message: unknown): void;
  /** How many connections there are now; default: none. */
  connections?(): ConnectionCounts;
}
