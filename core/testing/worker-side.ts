// The worker side of a plugin in a test: the real sides, stages and pools, without sockets or processes.
import type { WeldrError } from '../errors.ts';
import { explainRequest, type SupposedAnswer } from '../explain/explain.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { DefinedPlugins } from '../plugin/defined-plugins.ts';
import type { Plugin } from '../plugin/plugin.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import { instantiate, instantiateAll } from '../plugin/plugin-lists.ts';
import { RowReplica } from '../plugin/row-replica.ts';
import type { ListChange } from '../plugin/run-time-plugins.ts';
import { WorkerSides } from '../plugin/worker-sides.ts';
import type { Upstream } from '../pool/pool.ts';
import { Pools } from '../pool/pools.ts';
import type { Vantage } from '../pool/vantage.ts';
import { DrainWatch } from '../process/drain-watch.ts';
import type { ProxyContext } from '../request/context.ts';
import { createHooks, type RequestHooks } from '../stages/request-hooks.ts';
import { configScope, scopeName } from '../stages/scope.ts';
import type { Stages } from '../stages/stages.ts';
import { type ContextOptions, context } from './context.ts';
import { FakeClock } from './fake-clock.ts';
import { firstAvailable } from './first-available.ts';
import { collectingLogger, type LogLine } from './log-lines.ts';
import type { TestManagerSide } from './manager-side.ts';
import { type UpstreamInput, upstreamRecord } from './pool.ts';
import { type RunResult, runRequest, type UpstreamAnswer } from './request-run.ts';

/** Options of {@link workerSide}. */
export interface WorkerSideOptions {
  /** The upstreams of the pool `default`, or of pools by name. Not with `manager`, whose pools it replicates. */
  readonly upstreams?: readonly UpstreamInput[] | Readonly<Record<string, readonly UpstreamInput[]>>;
  /** Default: the manager's, or a new one. */
  readonly clock?: FakeClock;
  /** The number of the worker; default 1. */
  readonly id?: number;
  /**
   * Starts it as a worker of this manager: it replicates the pools and joins the channels of plugins of the same name.
   */
  readonly manager?: TestManagerSide;
  /** Plugins by the names that lists of routes and pools use for them; default: the manager's. */
  readonly define?: Readonly<Record<string, Plugin>>;
  /** The plugins of pools, by pool name. */
  readonly pools?: Readonly<Record<string, readonly Plugin[]>>;
  /** The fallbacks of pools, by pool name. */
  readonly fallbacks?: Readonly<Record<string, string>>;
  /** The longest that one stage may take, ms; default 30 000. */
  readonly stageTimeout?: number;
  /**
   * The worker's place in the fleet: parts of `{ worker: 0, workers: 1, zone: 'a', start: 0 }`; `start` is where subsets
   * begin, 0 to below 1. Default: all pools are seen whole, and no server is full.
   */
  readonly vantage?: Partial<Vantage>;
  /** Returns whether `writeLog` takes lines now. Default: always. */
  readonly accepts?: () => boolean;
}

/** A request to run, and the results of its attempts. */
export interface RunOptions extends Omit<ContextOptions, 'pool' | 'startedAt' | 'tried'> {
  /** The pool to choose from unless a plugin picks another; default `default`. */
  readonly pool?: string;
  /**
   * One for each attempt in order, the last for all further ones; default: 200. A promise keeps its attempt in flight
   * until it settles.
   */
  readonly answers?: readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[];
}

/** A request to explain. */
export interface ExplainOptions extends Omit<RunOptions, 'answers' | 'rehearsal'> {
  /** The supposed result of each attempt: a status, or an error's code; default: 200. */
  readonly answer?: SupposedAnswer;
}

/** A started worker side. */
export interface TestWorkerSide {
  readonly id: number;
  /** Hooks for the test itself, after those of the plugins. */
  readonly hooks: RequestHooks;
  /** The stages that requests go through. */
  readonly stages: Stages;
  /** The plugins of lists that are made at run time. */
  readonly lists: Pick<WorkerSides['lists'], 'size'>;
  readonly pools: Pools;
  readonly clock: FakeClock;
  /** The log lines. */
  readonly logs: readonly LogLine[];
  /** The lines that plugins wrote with `writeLog`. */
  readonly lines: readonly string[];
  /** What plugins threw in `attemptFinished` and `finished`, where no request can fail because of it. */
  readonly reported: readonly WeldrError[];
  /** Runs a request through all stages. */
  run(options?: RunOptions): Promise<RunResult>;
  /** Explains what all plugins would do with a request that is not sent, as `weldr explain` does. */
  explain(options?: ExplainOptions): Promise<Explanation>;
  /** Runs only `selectUpstream`. Rejects with PLUGIN_FAILED. */
  select(ctx: ProxyContext): Promise<Upstream | undefined>;
  /** Runs the clean-ups, last in first out, and leaves the manager. */
  close(): Promise<void>;
  /** Ends it like a process that died: without clean-ups; the manager is notified. */
  kill(): void;
}

/**
 * Starts the worker side of a plugin, or of several in order. When none of them taps `selectUpstream`, {@link
 * firstAvailable} does. Rejects as a start of Weldr does: with CONFIG_INVALID for a value that is not a plugin, bad
 * options and two plugins of one name, and with what a plugin throws at its start, after the clean-ups.
 */
export async function workerSide(
  plugin: Plugin | readonly Plugin[],
  options: WorkerSideOptions = {},
): Promise<TestWorkerSide> {
  const plugins: readonly Plugin[] = isPluginList(plugin) ? plugin : [plugin];
  const define = options.define ?? options.manager?.define ?? {};
  const { instances, defined } = instantiateAll({ plugins, pools: options.pools ?? {}, define });
  const pools = new Pools();
  const { vantage } = options;
  if (vantage !== undefined) pools.lookFrom({ worker: 0, workers: 1, start: 0, ...vantage });
  fill(pools, options);
  return await startWorkerSide({ ...options, instances, defined, pools, standIn: firstAvailable });
}

/** A worker side whose plugins are checked and whose pools are filled. */
export interface WorkerStart
  extends Pick<WorkerSideOptions, 'id' | 'clock' | 'manager' | 'stageTimeout' | 'accepts'> {
  readonly instances: readonly PluginInstance[];
  /** The plugins that run-time lists can name; default: none. */
  readonly defined?: DefinedPlugins;
  readonly pools: Pools;
  /** A plugin to start as well when no other chooses an upstream. */
  readonly standIn?: Plugin;
}

/** Starts the worker sides of plugins. */
export async function startWorkerSide(start: WorkerStart): Promise<TestWorkerSide> {
  const { instances, pools, standIn, id = 1, manager, stageTimeout = 30_000, accepts = () => true } = start;
  const clock = start.clock ?? manager?.clock ?? new FakeClock();
  const logs: LogLine[] = [];
  const log = collectingLogger(logs);
  const lines: string[] = [];
  const reported: WeldrError[] = [];
  const report = (error: WeldrError): void => void reported.push(error);
  const rows = new RowReplica();
  const sides = new WorkerSides({
    worker: id,
    pools,
    rows,
    log,
    clock,
    defined: start.defined,
    writeLog: text => {
      if (!accepts()) return false;
      lines.push(...text.split('\n').slice(0, -1));
      return true;
    },
    report,
    onProblems: (scope, problems) => manager?.runTime.report(scope, problems, id),
    send: (instance, message) => manager?.receive(instance, message, id),
  });
  const joined = manager === undefined ? undefined : joinManager(manager, id, { pools, rows, sides, report });
  const leave = joined?.leave;
  try {
    await sides.start(instances, joined?.lists());
    if (standIn !== undefined && sides.stages.plain.selectUpstream.taps.length === 0) {
      await sides.start(instantiate({ plugins: [standIn] }));
    }
  } catch (thrown) {
    leave?.();
    throw thrown;
  }
  const hooks = createHooks(report);
  sides.stages.add({ plugin: 'test', hooks, scope: configScope, role: undefined, conditions: [] });
  manager?.hooks.workerReady.call(id);
  const { stages } = sides;
  return {
    id,
    hooks,
    stages,
    lists: sides.lists,
    pools,
    clock,
    logs,
    lines,
    reported,
    run: async ({ pool = 'default', answers = [], ...request } = {}) => {
      const ctx = context({ ...request, pool: pools.ensure(pool), startedAt: clock.monotonic() });
      return await runRequest({ stages, pools, clock, stageTimeout }, ctx, answers);
    },
    explain: async ({ pool = 'default', answer, ...request } = {}) => {
      const start = { pool: pools.ensure(pool), startedAt: clock.monotonic() };
      const ctx = context({ ...request, ...start, rehearsal: true });
      return await explainRequest({ stages, pools, clock }, ctx, answer);
    },
    select: ctx =>
      new Promise((resolve, reject) => {
        stages
          .of(ctx.route, ctx.pool)
          .selectUpstream.callAsync(ctx, (thrown, chosen) => (thrown ? reject(thrown) : resolve(chosen)));
      }),
    async close() {
      await sides.close();
      leave?.();
    },
    kill: () => leave?.(),
  };
}

/** The parts of a worker of a manager. */
interface WorkerMeans {
  readonly pools: Pools;
  readonly rows: RowReplica;
  readonly sides: WorkerSides;
  report(error: WeldrError): void;
}

/** A worker that has joined a manager. */
interface Joined {
  /** Operators' lists of plugins; later changes apply automatically. */
  lists(): readonly ListChange[];
  leave(): void;
}

/** Keeps the replica and the plugins of pools up to date, and reports the end of drains. */
function joinManager(
  manager: TestManagerSide,
  id: number,
  { pools, rows, sides, report }: WorkerMeans,
): Joined {
  const drains = new DrainWatch(pools, ({ pool, id: upstream }) => {
    // A worker's message reaches the manager later, as between processes.
    queueMicrotask(() => manager.workerIdle(id, pool, upstream));
  });
  drains.watch(sides.stages, report);
  const lists = new Map<string, ListChange>();
  let isStarted = false;
  const leave = manager.admit(id, {
    apply(change) {
      pools.apply(change);
      drains.changed(change);
    },
    applyList(change) {
      const { scope, names, isNew } = change;
      lists.set(scopeName(scope), change);
      if (isStarted) void sides.lists.want(scope, names, { isNew });
    },
    applyHold: change => void sides.hold(change),
    applyRows: changes => rows.apply(changes),
    prepare: (scope, names) => sides.lists.prepare(scope, names),
    abandon: scope => void sides.lists.abandon(scope),
    settled: () => sides.lists.settled(),
    receive: (instance, message) => sides.receive(instance, message),
  });
  return {
    lists() {
      isStarted = true;
      return [...lists.values()];
    },
    leave,
  };
}

function fill(pools: Pools, { upstreams = [], fallbacks = {} }: WorkerSideOptions): void {
  const named = isUpstreamList(upstreams) ? { default: upstreams } : upstreams;
  for (const [name, list] of Object.entries(named)) {
    const pool = pools.ensure(name);
    for (const upstream of list) pool.set(upstreamRecord(upstream));
  }
  for (const [name, fallback] of Object.entries(fallbacks)) pools.ensure(name).setSettings({ fallback });
}

function isUpstreamList(
  upstreams: NonNullable<WorkerSideOptions['upstreams']>,
): upstreams is readonly UpstreamInput[] {
  return Array.isArray(upstreams);
}

function isPluginList(plugin: Plugin | readonly Plugin[]): plugin is readonly Plugin[] {
  return Array.isArray(plugin);
}
