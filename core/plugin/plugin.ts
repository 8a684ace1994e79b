// Plugin: one feature, and what its two sides are handed: the core's contract with all of them.
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

/** The version of this contract; a plugin may name the one that it was written for. */
export const contractVersion = 2;

/**
 * One feature, as a config lists it. `worker` runs in each process that proxies, `manager` in the one that owns the
 * pools; either may be asynchronous, and what it throws stops the start with a message that names the plugin. Order is
 * the order of the config's array. A plain object will do; {@link definePlugin} adds checked options.
 */
export interface Plugin {
  /** Names the plugin in logs and errors. */
  readonly name: string;
  /** Tells several plugins of one name in one scope apart; see `withId`. */
  readonly id?: string | undefined;
  /** The version of the contract that it was written for; default: today's. */
  readonly contract?: number | undefined;
  /** If a request has use for only one of its kind: the innermost plugin of a role replaces the outer ones. */
  readonly role?: Role | undefined;
  /** Of its options; without one it takes none. */
  readonly schema?: z.ZodType | undefined;
  /** As people wrote them; parsed by `schema` where the config is checked. */
  readonly options?: unknown;
  /** Makes what the manager side keeps from one config to the next. */
  readonly memory?: (() => unknown) | undefined;
  /** A sort of thing which it owns and operators may change at run time; the options list what is below. */
  readonly kind?: PluginKind | undefined;
  /** Plugins within it, as `when` has them. */
  readonly children?: readonly ChildPlugins[] | undefined;
  /**
   * For a plugin that is a store: the rows that it holds, for `weldr check`. Takes no lock and changes nothing; rejects with
   * STORE_UNAVAILABLE where it cannot be read now.
   */
  stored?(options: unknown): Promise<readonly Row[]>;
  /**
   * Throws CONFIG_INVALID for options that its start would refuse, as far as that is known without opening anything. Called
   * wherever a config is checked: by `weldr check`, at a start, at a reload.
   */
  check?(options: unknown, facts: ConfigFacts): void;
  /**
   * For a plugin that holds something for the leader of a cluster: the least that it needs of a leadership's time, ms, as
   * `leadershipNeeds` tells it at run time. Called where a config is checked.
   */
  leadershipNeed?(options: unknown): number;
  // Methods, so that a side which declares its channel and options may be listed with any other.
  worker?(side: WorkerSide, options: unknown): void | Promise<void>;
  manager?(side: ManagerSide, options: unknown): void | Promise<void>;
}

/** What of a config, beside its own options, a plugin may be at odds with. */
export interface ConfigFacts {
  /** What flags and environment say; it goes before the options. */
  readonly overrides: Overrides;
  /** Where clients connect to. */
  readonly listen: readonly Listen[];
  /** Does a plugin keep what is changed at run time over a restart? */
  readonly hasStore: boolean;
  /** The least that its plugins need of a leadership's time, ms; 0: none holds anything. */
  readonly leadershipNeed: number;
  /** The names of its pools, `default` first. */
  readonly pools: readonly string[];
  /** Says what is legal and surely not meant, and what to do instead; `field`: the option that it is about. */
  warn(field: string, text: string): void;
  /** Says where the plugin will listen, as {@link ManagerSide.listensOn} does when it starts. */
  listensOn(address: string): void;
}

/** Plugins within a plugin, and for which requests. */
export interface ChildPlugins {
  readonly scope: ChildScope;
  /** The option that lists them, for messages; default `plugins`. */
  readonly field?: string;
  readonly plugins: readonly ListedPlugin[];
}

/** What a list of plugins may hold: a plugin, the name of one in the config's `define`, or a form as JSON has it. */
export type ListedPlugin = Plugin | string | Readonly<Record<string, unknown>>;

/** Where the plugins within a plugin stand; the name is a part of their instances' names. */
export type ChildScope =
  | { readonly kind: 'when'; readonly name: string; readonly condition: Condition }
  | { readonly kind: 'route'; readonly name: string };

/** What both sides get. */
interface Side<Item> {
  /** Logs with the plugin's name. */
  readonly log: Logger;
  /** The time, and timers; a fake one in tests. */
  readonly clock: Clock;
  /** Where this instance stands. */
  readonly scope: Scope;
  /** Is this instance the one of its role which is in charge of a pool? Always true for plugins without a role. */
  covers(pool: string): boolean;
  /** Counters, gauges and histograms of this instance; summed over all processes, shown by `GET /metrics`. */
  readonly metrics: Metrics;
  /** What this instance has in force of the plugin's kind: what the config lists, with what operators said over it. */
  readonly entities: Entities<Item>;
  /** Registers clean-up: run last in, first out, at the end or when the start failed half-way. May be async. */
  onClose(fn: () => void | Promise<void>): void;
}

/** The proxying side of a plugin. `ToManager` and `ToWorker` are what crosses its channel. */
export interface WorkerSide<ToManager = unknown, ToWorker = unknown, Item = unknown> extends Side<Item> {
  readonly hooks: RequestHooks;
  /** A replica of the manager's pools. */
  readonly pools: Pools;
  /** The number of this worker, from 1; it stays the same for its replacement. */
  readonly id: number;
  /**
   * Writes whole lines, each with its end, to where the log goes, as they are: for what has a format of its own. Never
   * waits. False: they cannot be taken now, and are lost.
   */
  writeLog(lines: string): boolean;
  /** The line to the plugin's manager side. */
  readonly channel: WorkerChannel<ToManager, ToWorker>;
  /** Has the taps of all plugins measured for one of many requests; what was asked for last holds. */
  measureStages(stopwatch: Stopwatch): void;
  /** How many connections there are now, and who waits for one. It looks at each connection: not for each request. */
  connections(): ConnectionCounts;
  /**
   * Makes a route for the stage `route` to return; make it once. One that leads to no pool makes a reply, after its own
   * plugins have let the request in. `pattern`: of the paths that lead there, where it is one.
   */
  route(name: string, end: Pool | RouteReply, pattern?: string): Route;
}

/** The owning side of a plugin. */
export interface ManagerSide<ToManager = unknown, ToWorker = unknown, Memory = unknown, Item = unknown>
  extends Side<Item> {
  readonly hooks: ManagerHooks;
  /** The pools: to read, to follow, to judge, to find servers for. */
  readonly pools: ManagerPools;
  /** The means to change the pools in an operator's name: for plugins that serve operators or keep what they said. */
  readonly operator: OperatorPools;
  /** The certificates that clients are shown: to read, to follow, to put in an operator's name. */
  readonly certificates: ManagerCertificates;
  /** What happened: to read, to follow, to add to; and what is wrong right now. */
  readonly events: ManagerEvents;
  /** What is counted of requests, for those that show it, from the plugin that counts. */
  readonly traffic: Traffic;
  /** Routes of the admin API; an admin plugin serves them. */
  readonly admin: AdminRoutes;
  /**
   * Says that the plugin listens at `address`, such as `127.0.0.1:8687` or `unix:/run/a.sock`: workers do not take it for a
   * server. Call it before the start of the plugin is over.
   */
  listensOn(address: string): void;
  /** The kinds that plugins of this config own, for the one which serves them. */
  readonly kinds: readonly KindView[];
  /** Has what `more` says of a thing of this instance shown with it: `alone`, or one of many. */
  showMore(more: MoreOfEntity): void;
  /** Facts about this Weldr and its workers. */
  readonly status: ManagerStatus;
  /** What flags and environment say; it goes before the config's options. */
  readonly overrides: Overrides;
  /** What all plugins have counted so far, for the one which serves it; `names`: only these metrics. */
  metricFamilies(names?: readonly string[]): readonly MetricFamily[];
  /** All plugins that run: those of the config, of routes and of pools, each scope's in its order. */
  plugins(): readonly RunningPlugin[];
  /**
   * Has all metrics, of whichever plugin, forget the children of which `stays` does not say that they stay: for the plugin
   * that serves them, once what their labels name is gone.
   */
  retainMetrics(stays: (labels: Readonly<Record<string, string>>) => boolean): void;
  /** What `memory` made: kept for this instance from one config to the next. */
  readonly memory: Memory;
  /**
   * Reads the config again; rejects with CONFIG_INVALID when it is not valid, and then nothing has changed. `by`: who asks for
   * it; default: the plugin.
   */
  reload(by?: string): Promise<void>;
  /**
   * Has another process, of the version that is installed now, take this one's place; resolves with its version when it
   * serves. Rejects with CONFLICT or UPGRADE_FAILED, and then nothing has changed.
   */
  upgrade(): Promise<string>;
  /**
   * Has a worker run a request through its stages without sending it, and tell what plugins say of it. Rejects with INPUT_INVALID, and
   * with CONFLICT, LIMIT_REACHED or PLUGIN_FAILED where no worker can say.
   */
  explain(request: ExplainInput): Promise<Explanation>;
  /** What becomes of real requests, for who wants to see them. */
  readonly traces: RequestTraces;
  /** The line to the plugin's worker sides. */
  readonly channel: ManagerChannel<ToManager, ToWorker>;
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
  /** Workers that accepted requests and have not reacted for 2 s. */
  readonly silentWorkers: number;
  /** Workers that there should be. */
  readonly wantedWorkers: number;
  /** The addresses that clients connect to, such as `0.0.0.0:8080`. */
  readonly listen: readonly string[];
  readonly stopping: boolean;
  /** Workers that died, or hung, and were replaced. */
  readonly workerRestarts: number;
  /** What became of reading the config anew. */
  readonly reloads: Reloads;
  /** Tells configs apart: of all that the one in force was read from, in hexadecimal. */
  readonly configHash: string;
  /** Lines that were dropped as the log could not be written fast enough, of this process. */
  readonly droppedLogLines: number;
}

/** How often the config was read anew, and how the last time ended. */
export interface Reloads {
  readonly succeeded: number;
  readonly failed: number;
  /** Did the last one succeed? True before the first. */
  readonly lastSucceeded: boolean;
  /** When the config that is in force was taken, ms since the epoch. */
  readonly lastSuccessAt: number;
}
