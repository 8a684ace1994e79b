// Plugin: one feature, and what its two sides receive: the core's contract with all plugins.
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { ManagerCertificates } from '../certificates/manager-certificates.ts';
import type { ManagerEvents } from '../events/plugin-events.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { RequestTraces } from '../explain/trace.ts';
import type { ManagerPools } from '../pool/manager-pools.ts';
import type { OperatorPools } from '../pool/operator-pools.ts';
import type { Pool } from '../pool/pool.ts';
import type { Pools } from '../pool/pools.ts';
import type { Route, RouteReply } from '../request/route.ts';
import type { Listen } from '../settings/listen.ts';
import type { Overrides } from '../settings/settings.ts';
import type { ConnectionCounts } from '../stages/connection-info.ts';
import type { RequestHooks } from '../stages/request-hooks.ts';
import type { Condition, Role, Scope } from '../stages/scope.ts';
import type { Stopwatch } from '../stages/stopwatch.ts';
import type { Row } from '../state/row.ts';
import type { Clock } from '../time/clock.ts';
import type { AdminRoutes } from './admin.ts';
import type { KindView, MoreOfEntity } from './kind-view.ts';
import type { ManagerHooks } from './manager-hooks.ts';
import type { MetricFamily } from './metric-family.ts';
import type { Metrics } from './metrics.ts';
import type { Entities, PluginKind } from './plugin-kind.ts';
import type { RunningPlugin } from './running-plugin.ts';
import type { Traffic } from './traffic.ts';

/** The version of this contract; a plugin may name the version that it was written for. */
export const contractVersion = 2;

/**
 * One feature, as a config lists it. `worker` runs in each process that proxies, `manager` in the one that owns the
 * pools; either may be asynchronous, and what it throws stops the start with a message that names the plugin. Order is
 * the order of the config's array. A plain object will do; {@link definePlugin} adds checked options.
 */
export interface Plugin {
  /** Names the plugin in logs and errors. */
  readonly name: string;
  /** Distinguishes several plugins of one name in one scope; see `withId`. */
  readonly id?: string | undefined;
  /** The version of the contract that it was written for; default: the current one. */
  readonly contract?: number | undefined;
  /** Set if a request can use only one plugin of its kind: the innermost plugin of a role replaces the outer ones. */
  readonly role?: Role | undefined;
  /** The schema of its options; without one it takes none. */
  readonly schema?: z.ZodType | undefined;
  /** As written in the config; parsed by `schema` when the config is checked. */
  readonly options?: unknown;
  /** Makes what the manager side keeps from one config to the next. */
  readonly memory?: (() => unknown) | undefined;
  /** A sort of thing that it owns and operators may change at run time; the options list the base. */
  readonly kind?: PluginKind | undefined;
  /** Plugins within it, as in `when`. */
  readonly children?: readonly ChildPlugins[] | undefined;
  /**
   * For a plugin that is a store: returns its rows, for `weldr check`. Takes no lock and changes nothing; rejects with
   * STORE_UNAVAILABLE if it cannot be read now.
   */
  stored?(options: unknown): Promise<readonly Row[]>;
  /**
   * Throws CONFIG_INVALID for options that its start would refuse, as far as that can be known without opening anything. Called
   * whenever a config is checked: by `weldr check`, at a start, at a reload.
   */
  check?(options: unknown, facts: ConfigFacts): void;
  /**
   * For a plugin that holds something for the leader of a cluster: returns how long a leadership must hold at least, ms,
   * as `leadershipNeeds` does at run time. Called when a config is checked.
   */
  leadershipNeed?(options: unknown): number;
  // Methods, so that a side that declares its channel and options may be listed with any other.
  worker?(side: WorkerSide, options: unknown): void | Promise<void>;
  manager?(side: ManagerSide, options: unknown): void | Promise<void>;
}

/** The parts of a config, besides its own options, that a plugin may contradict. */
export interface ConfigFacts {
  /** The settings of flags and environment, which override the options. */
  readonly overrides: Overrides;
  /** Where clients connect to. */
  readonly listen: readonly Listen[];
  /** Whether a plugin keeps run-time changes over a restart. */
  readonly hasStore: boolean;
  /** How long its plugins need a leadership to hold at least, ms; 0: none holds anything. */
  readonly leadershipNeed: number;
  /** The names of its pools, `default` first. */
  readonly pools: readonly string[];
  /** Warns of what is legal but surely unintended, and says what to do instead; `field`: the option that it is about. */
  warn(field: string, text: string): void;
  /** Declares where the plugin will listen, as {@link ManagerSide.listensOn} does when it starts. */
  listensOn(address: string): void;
}

/** Plugins within a plugin, and for which requests. */
export interface ChildPlugins {
  readonly scope: ChildScope;
  /** The option that lists them, for messages; default `plugins`. */
  readonly field?: string;
  readonly plugins: readonly ListedPlugin[];
}

/** What a list of plugins may hold: a plugin, the name of one in the config's `define`, or a form in JSON. */
export type ListedPlugin = Plugin | string | Readonly<Record<string, unknown>>;

/** The place of the plugins within a plugin; its name is part of their instances' names. */
export type ChildScope =
  | { readonly kind: 'when'; readonly name: string; readonly condition: Condition }
  | { readonly kind: 'route'; readonly name: string };

/** What both sides receive. */
interface Side<Item> {
  /** Logs with the plugin's name. */
  readonly log: Logger;
  /** The time, and timers; a fake one in tests. */
  readonly clock: Clock;
  /** The scope of this instance. */
  readonly scope: Scope;
  /** Returns whether this instance is the one of its role that is in charge of a pool. Always true for plugins without a role. */
  covers(pool: string): boolean;
  /** Counters, gauges and histograms of this instance; summed over all processes, shown by `GET /metrics`. */
  readonly metrics: Metrics;
  /** The active things of this instance, of the plugin's kind: those of the config, with operators' changes. */
  readonly entities: Entities<Item>;
  /** Registers a clean-up: run last in, first out, at the end or when the start failed half-way. May be async. */
  onClose(fn: () => void | Promise<void>): void;
}

/** The proxying side of a plugin. `ToManager` and `ToWorker` are the messages of its channel. */
export interface WorkerSide<ToManager = unknown, ToWorker = unknown, Item = unknown> extends Side<Item> {
  readonly hooks: RequestHooks;
  /** A replica of the manager's pools. */
  readonly pools: Pools;
  /** The number of this worker, from 1; its replacement has the same number. */
  readonly id: number;
  /**
   * Writes whole lines, each with its line break, unchanged to where the log goes: for output with its own format. Never
   * waits. Returns false if they cannot be taken now and are lost.
   */
  writeLog(lines: string): boolean;
  /** The line to the plugin's manager side. */
  readonly channel: WorkerChannel<ToManager, ToWorker>;
  /** Measures the taps of all plugins for one of many requests; the last call counts. */
  measureStages(stopwatch: Stopwatch): void;
  /** Counts connections, and requests that wait for one. It visits each connection: do not call it for each request. */
  connections(): ConnectionCounts;
  /**
   * Makes a route for the stage `route` to return; make it once. A route without a pool makes a reply, after its own
   * plugins have admitted the request. `pattern`: the pattern of the paths that lead there, if there is one.
   */
  route(name: string, end: Pool | RouteReply, pattern?: string): Route;
}

/** The owning side of a plugin. */
export interface ManagerSide<ToManager = unknown, ToWorker = unknown, Memory = unknown, Item = unknown>
  extends Side<Item> {
  readonly hooks: ManagerHooks;
  /** The pools: to read, to follow, to judge, to find servers for. */
  readonly pools: ManagerPools;
  /** Changes the pools in an operator's name: for plugins that serve operators or store their changes. */
  readonly operator: OperatorPools;
  /** The certificates that clients are shown: to read, to follow, to put in an operator's name. */
  readonly certificates: ManagerCertificates;
  /** The events: to read, to follow, to add to; and the current problems. */
  readonly events: ManagerEvents;
  /** The counts of requests, from the plugin that counts to those that show them. */
  readonly traffic: Traffic;
  /** Routes of the admin API; an admin plugin serves them. */
  readonly admin: AdminRoutes;
  /**
   * Declares that the plugin listens at `address`, such as `127.0.0.1:8687` or `unix:/run/a.sock`, so that workers do not use
   * it as a server. Call it during the start of the plugin.
   */
  listensOn(address: string): void;
  /** The kinds that plugins of this config own, for the plugin that serves them. */
  readonly kinds: readonly KindView[];
  /** Shows what `more` returns about a thing of this instance beside it: `alone`, or as one of many. */
  showMore(more: MoreOfEntity): void;
  /** Facts about this Weldr and its workers. */
  readonly status: ManagerStatus;
  /** The settings of flags and environment, which override the config's options. */
  readonly overrides: Overrides;
  /** Returns what all plugins have counted, for the plugin that serves it; `names`: only these metrics. */
  metricFamilies(names?: readonly string[]): readonly MetricFamily[];
  /** Returns all running plugins: those of the config, of routes and of pools, in the order of each scope. */
  plugins(): readonly RunningPlugin[];
  /**
   * Makes the metrics of all plugins forget the children for which `stays` returns false: for the plugin that serves the
   * metrics, once what the labels name is gone.
   */
  retainMetrics(stays: (labels: Readonly<Record<string, string>>) => boolean): void;
  /** What `memory` made: kept for this instance from one config to the next. */
  readonly memory: Memory;
  /**
   * Reads the config again. Rejects with CONFIG_INVALID, and has changed nothing, if it is not valid. `by`: who asked
   * for it; default: the plugin.
   */
  reload(by?: string): Promise<void>;
  /**
   * Has another process, of the version that is installed now, take the place of this one; resolves with its version once
   * it serves. Rejects with CONFLICT or UPGRADE_FAILED, and has changed nothing then.
   */
  upgrade(): Promise<string>;
  /**
   * Has a worker run a request through its stages without sending it; resolves with what plugins say about it. Rejects with
   * INPUT_INVALID, and with CONFLICT, LIMIT_REACHED or PLUGIN_FAILED if no worker can explain it.
   */
  explain(request: ExplainInput): Promise<Explanation>;
  /** Traces of what happens to real requests. */
  readonly traces: RequestTraces;
  /** The line to the plugin's worker sides. */
  readonly channel: ManagerChannel<ToManager, ToWorker>;
}

/** The worker's end of a plugin's channel. Messages cross a process border as JSON. */
export interface WorkerChannel<ToManager, ToWorker> {
  send(message: ToManager): void;
  onMessage(listener: (message: ToWorker) => void): void;
}

/** The manager's end: one channel to all workers. */
export interface ManagerChannel<ToManager, ToWorker> {
  /** The numbers of the workers that can receive messages. */
  readonly workers: readonly number[];
  /** Sends to one worker; dropped when it has ended. */
  send(worker: number, message: ToWorker): void;
  broadcast(message: ToWorker): void;
  onMessage(listener: (message: ToManager, worker: number) => void): void;
}

/** Facts for an orchestrator or a self-check. */
export interface ManagerStatus {
  readonly version: string;
  /** When this process started, ms since the epoch. */
  readonly startedAt: number;
  /** The number of workers that accept requests; one that has not reacted for 2 s does not count. */
  readonly readyWorkers: number;
  /** The number of workers that accepted requests and have not reacted for 2 s. */
  readonly silentWorkers: number;
  /** The number of workers that there should be. */
  readonly wantedWorkers: number;
  /** The addresses that clients connect to, such as `0.0.0.0:8080`. */
  readonly listen: readonly string[];
  readonly stopping: boolean;
  /** The number of workers that died, or hung, and were replaced. */
  readonly workerRestarts: number;
  /** The outcomes of reloads. */
  readonly reloads: Reloads;
  /** Identifies the active config: a hash of everything that it was read from, in hexadecimal. */
  readonly configHash: string;
  /** Log lines of this process that were dropped because the log could not be written fast enough. */
  readonly droppedLogLines: number;
}

/** How often the config was reloaded, and how the last reload ended. */
export interface Reloads {
  readonly succeeded: number;
  readonly failed: number;
  /** Whether the last one succeeded. True before the first. */
  readonly lastSucceeded: boolean;
  /** When the active config was read, ms since the epoch. */
  readonly lastSuccessAt: number;
}
