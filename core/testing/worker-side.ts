// The worker side of a plugin in a test: real hooks and pools, no socket, no process.

import type { WeldrError } from '../errors.ts';
import { createHooks, type RequestHooks } from '../plugin/hooks.ts';
import type { Plugin, WorkerChannel } from '../plugin/plugin.ts';
import { Pools, type Upstream } from '../pool/pool.ts';
import { DrainWatch } from '../process/drain-watch.ts';
import type { ProxyContext, Reply } from '../request/context.ts';
import { CleanUps } from './clean-ups.ts';
import { type ContextOptions, context } from './context.ts';
import { FakeClock } from './fake-clock.ts';
import { firstAvailable } from './first-available.ts';
import { collectingLogger, type LogLine } from './log-lines.ts';
import type { TestManagerSide } from './manager-side.ts';
import { PluginLink } from './plugin-link.ts';
import { type UpstreamInput, upstreamRecord } from './pool.ts';
import { type RunResult, runRequest, type UpstreamAnswer } from './request-run.ts';

/** How a worker side is started. */
export interface WorkerSideOptions {
  /** What the pool `default` holds; or the pools by name. Not together with `manager`, whose pools it replicates. */
  readonly upstreams?: readonly UpstreamInput[] | Readonly<Record<string, readonly UpstreamInput[]>>;
  /** Default: the manager's, or a new one. */
  readonly clock?: FakeClock;
  /** The number of the worker; default 1. */
  readonly id?: number;
  /** Starts it as a worker of this manager: pools are replicated, channels of the same plugin's name are joined. */
  readonly manager?: TestManagerSide;
}

/** A request to run, and what its attempts come to. */
export interface RunOptions extends Omit<ContextOptions, 'pool' | 'startedAt' | 'tried'> {
  /** The pool to choose from before a plugin says otherwise; default `default`. */
  readonly pool?: string;
  /**
   * One for each attempt in order, the last for all further ones; default: 200. A promise holds its attempt in
   * flight until it settles.
   */
  readonly answers?: readonly (UpstreamAnswer | Promise<UpstreamAnswer>)[];
}

/** A handle on a started worker side. */
export interface TestWorkerSide {
  readonly id: number;
  readonly hooks: RequestHooks;
  readonly pools: Pools;
  readonly clock: FakeClock;
  /** What was logged. */
  readonly logs: readonly LogLine[];
  /** What plugins threw where no request could answer for it: in `attemptFinished` and `finished`. */
  readonly reported: readonly WeldrError[];
  /** Runs a request through all stages. */
  run(options?: RunOptions): Promise<RunResult>;
  /** Asks only `selectUpstream`. Rejects with PLUGIN_FAILED. */
  select(ctx: ProxyContext): Promise<Upstream | Reply | undefined>;
  /** Runs the clean-ups, last in first out, and leaves the manager. */
  close(): Promise<void>;
  /** Ends it like a process that died: no clean-up, the manager is told. */
  kill(): void;
}

/**
 * Starts the worker side of a plugin, or of several in their order. Where none of them taps `selectUpstream`,
 * {@link firstAvailable} does. Rejects with what a plugin throws at its start, after the clean-ups.
 */
export async function workerSide(
  plugin: Plugin | readonly Plugin[],
  options: WorkerSideOptions = {},
): Promise<TestWorkerSide> {
  const { id = 1, manager } = options;
  const clock = options.clock ?? manager?.clock ?? new FakeClock();
  const pools = new Pools();
  fill(pools, options.upstreams ?? []);
  const logs: LogLine[] = [];
  const log = collectingLogger(logs);
  const reported: WeldrError[] = [];
  const hooks = createHooks(error => void reported.push(error));
  const cleanUps = new CleanUps();
  const leave = manager === undefined ? undefined : joinManager(manager, id, pools, hooks);
  const start = async (started: Plugin): Promise<void> => {
    if (started.invalid !== undefined) throw started.invalid('');
    const link = manager?.linkOf(started.name) ?? new PluginLink();
    await started.worker?.({
      id,
      hooks,
      pools,
      clock,
      log: log.child({ plugin: started.name }),
      onClose: fn => cleanUps.add(fn),
      channel: <ToManager, ToWorker>(): WorkerChannel<ToManager, ToWorker> => link.workerChannel(id),
    });
  };
  try {
    for (const each of Array.isArray(plugin) ? plugin : [plugin]) await start(each);
    if (hooks.selectUpstream.taps.length === 0) await start(firstAvailable);
  } catch (thrown) {
    await cleanUps.run();
    leave?.();
    throw thrown;
  }
  manager?.hooks.workerReady.call(id);
  return {
    id,
    hooks,
    pools,
    clock,
    logs,
    reported,
    run: async ({ pool = 'default', answers = [], ...request } = {}) => {
      const ctx = context({ ...request, pool: pools.ensure(pool), startedAt: clock.monotonic() });
      return await runRequest(hooks, ctx, answers, clock);
    },
    select: ctx =>
      new Promise((resolve, reject) => {
        hooks.selectUpstream.callAsync(ctx, (thrown, chosen) => (thrown ? reject(thrown) : resolve(chosen)));
      }),
    async close() {
      await cleanUps.run();
      leave?.();
    },
    kill: () => leave?.(),
  };
}

/** Has the manager keep the replica up to date, and tells it when a drain is over here; returns how to leave. */
function joinManager(manager: TestManagerSide, id: number, pools: Pools, hooks: RequestHooks): () => void {
  const drains = new DrainWatch(pools, ({ pool, id: upstream }) => {
    // A worker's word reaches the manager later, as between processes.
    queueMicrotask(() => manager.pools.workerIdle(id, pool, upstream));
  });
  drains.watch(hooks);
  return manager.admit(id, {
    apply(change) {
      pools.apply(change);
      drains.changed(change);
    },
  });
}

function fill(pools: Pools, upstreams: NonNullable<WorkerSideOptions['upstreams']>): void {
  const named = isList(upstreams) ? { default: upstreams } : upstreams;
  for (const [name, list] of Object.entries(named)) {
    for (const upstream of list) pools.ensure(name).set(upstreamRecord(upstream));
  }
}

function isList(
  upstreams: NonNullable<WorkerSideOptions['upstreams']>,
): upstreams is readonly UpstreamInput[] {
  return Array.isArray(upstreams);
}
