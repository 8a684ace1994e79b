// Every hook of the system, one documented line each: the table of contents.
import { AsyncSeriesBailHook, AsyncSeriesHook, type FullTap, SyncHook } from 'tapable';
import { describeError, WeldrError } from '../errors.ts';
import { Upstream, type UpstreamRecord } from '../pool/pool.ts';
import { type ProxyContext, Reply, retry } from '../request/context.ts';

/** The hooks of one worker: the stages of a request. */
export interface RequestHooks {
  /** Head parsed, and again for each retry: answer an upstream, a reply, or nothing for the next tap. Nobody: 503. */
  readonly selectUpstream: AsyncSeriesBailHook<[ProxyContext], Upstream | Reply | undefined>;
  /** Upstream chosen, nothing sent: edit method, target and headers; a reply ends it here. */
  readonly preProxy: AsyncSeriesBailHook<[ProxyContext], Reply | undefined>;
  /** Response head arrived or the attempt failed (`ctx.error`), nothing sent to the client: edit, reply or `retry`. */
  readonly postProxy: AsyncSeriesBailHook<[ProxyContext], Reply | typeof retry | undefined>;
  /** Once an attempt, after its last byte, its failure or its abort: look, not touch. */
  readonly attemptFinished: SyncHook<[ProxyContext]>;
  /** Once a request, after its last byte, its failure or its abort: look, not touch. */
  readonly finished: SyncHook<[ProxyContext]>;
}

/** Who leads the cluster, from this node's view. */
export interface Leadership {
  /** Does this node lead? */
  readonly leading: boolean;
  /** The name of the leader, this node's own included; undefined: nobody leads. */
  readonly leader: string | undefined;
  /**
   * Until when the leadership holds without a further renewal, in ms of `performance.now()`; 0 when not leading.
   * Whatever a leader holds must be gone by then if no renewal comes.
   */
  readonly until: number;
}

/** The hooks of the manager. */
export interface ManagerHooks {
  /** An upstream's state changed, here or anywhere in the cluster. */
  readonly upstreamChanged: SyncHook<[Upstream, UpstreamRecord]>;
  /** A worker is ready for requests; the argument is its number. */
  readonly workerReady: SyncHook<[number]>;
  /** A worker has ended; its number. */
  readonly workerExited: SyncHook<[number]>;
  /** All workers are listening, after the start or a reload. */
  readonly listening: SyncHook<[]>;
  /** May this node lead? Asked often; a tap adds to the list why it should not. */
  readonly mayLead: SyncHook<[string[]]>;
  /** Leadership was won, renewed or lost. Taps run in order; one that fails is logged and does not stop the others. */
  readonly leaderChanged: AsyncSeriesHook<[Leadership]>;
  /** The process is asked to stop; taps run before workers drain, so that a leader can hand over first. */
  readonly stopping: AsyncSeriesHook<[]>;
}

/** Is told what a plugin threw where nothing can answer for it. */
export type ReportPluginError = (error: WeldrError) => void;

/** The hooks of a worker, guarded so that a plugin's mistake fails its request with a message that names it. */
export function createHooks(report: ReportPluginError): RequestHooks {
  const hooks: RequestHooks = {
    selectUpstream: new AsyncSeriesBailHook(['ctx'], 'selectUpstream'),
    preProxy: new AsyncSeriesBailHook(['ctx'], 'preProxy'),
    postProxy: new AsyncSeriesBailHook(['ctx'], 'postProxy'),
    attemptFinished: new SyncHook(['ctx'], 'attemptFinished'),
    finished: new SyncHook(['ctx'], 'finished'),
  };
  guardStage(
    hooks.selectUpstream,
    report,
    'an upstream, a reply',
    v => v instanceof Upstream || v instanceof Reply,
  );
  guardStage(hooks.preProxy, report, 'a reply', v => v instanceof Reply);
  guardStage(hooks.postProxy, report, 'a reply, retry', v => v instanceof Reply || v === retry);
  guardListener(hooks.attemptFinished, report);
  guardListener(hooks.finished, report);
  return hooks;
}

/** The hooks of the manager, guarded so that one plugin's failure is reported and does not stop the others. */
export function createManagerHooks(report: ReportPluginError): ManagerHooks {
  const hooks: ManagerHooks = {
    upstreamChanged: new SyncHook(['upstream', 'before'], 'upstreamChanged'),
    workerReady: new SyncHook(['worker'], 'workerReady'),
    workerExited: new SyncHook(['worker'], 'workerExited'),
    listening: new SyncHook([], 'listening'),
    mayLead: new SyncHook(['objections'], 'mayLead'),
    leaderChanged: new AsyncSeriesHook(['leadership'], 'leaderChanged'),
    stopping: new AsyncSeriesHook([], 'stopping'),
  };
  for (const hook of Object.values(hooks)) guardListener(hook, report);
  return hooks;
}

/** The part of tapable's hooks that the guards need. */
interface AnyHook {
  readonly name?: string | undefined;
  readonly taps: readonly FullTap[];
  intercept(interceptor: { register(tap: FullTap): FullTap }): void;
}

type Accepts = (value: unknown) => boolean;
/** Passes on what a tap may return; throws for the rest. */
type Check = (tap: string, value: unknown) => unknown;

/** Gives each tap of a stage a wrapper that turns its mistakes into a PLUGIN_FAILED error of its request. */
function guardStage(hook: AnyHook, report: ReportPluginError, expected: string, accepts: Accepts): void {
  const stage = hook.name ?? '';
  const check = (tap: string, value: unknown): unknown => {
    if (value === undefined || accepts(value)) return value;
    if (isThenable(value)) {
      value.then(undefined, () => {});
      throw failure(tap, stage, 'returned a promise from tap(); use tapPromise() for an async function');
    }
    throw failure(tap, stage, `returned ${String(value)}; expected ${expected} or undefined`);
  };
  hook.intercept({
    register(tap) {
      refuseUnknownBefore(hook, tap);
      return { ...tap, fn: guardedTap(tap, stage, check, report) };
    },
  });
}

function guardedTap(tap: FullTap, stage: string, check: Check, report: ReportPluginError) {
  const { name, fn } = tap;
  const wrap = (thrown: unknown) =>
    thrown instanceof WeldrError && thrown.code === 'PLUGIN_FAILED' ? thrown : failure(name, stage, thrown);
  if (tap.type === 'promise') {
    return async (...args: unknown[]) => {
      try {
        const result: unknown = fn(...args);
        if (!isThenable(result))
          throw failure(name, stage, 'gave tapPromise() a function that returns no promise');
        return check(name, await result);
      } catch (thrown) {
        throw wrap(thrown);
      }
    };
  }
  if (tap.type === 'async') return guardedCallbackTap(tap, check, wrap, report);
  return (first: unknown, second: unknown) => {
    try {
      return check(name, fn(first, second));
    } catch (thrown) {
      throw wrap(thrown);
    }
  };
}

function guardedCallbackTap(
  tap: FullTap,
  check: Check,
  wrap: (thrown: unknown) => WeldrError,
  report: ReportPluginError,
) {
  return (...args: unknown[]) => {
    const callback = args.pop() as (error: unknown, value?: unknown) => void;
    let called = false;
    const once = (error: unknown, value?: unknown) => {
      if (called) return;
      called = true;
      callback(error ? wrap(error) : undefined, value);
    };
    const settle = (error: unknown, value?: unknown) => {
      if (error) return once(error);
      try {
        once(undefined, check(tap.name, value));
      } catch (thrown) {
        once(thrown);
      }
    };
    try {
      tap.fn(...args, settle);
    } catch (thrown) {
      // The request has gone on by then: its failure now can only be told.
      if (called) report(wrap(thrown));
      else once(thrown);
    }
  };
}

/** For hooks whose taps only listen: a failure is reported, the next tap runs. */
function guardListener(hook: AnyHook, report: ReportPluginError): void {
  const stage = hook.name ?? '';
  hook.intercept({
    register(tap) {
      refuseUnknownBefore(hook, tap);
      const { name, fn } = tap;
      const guarded = (...args: unknown[]): unknown => {
        try {
          const result: unknown = fn(...args);
          if (!isThenable(result)) return undefined;
          return result.then(undefined, (thrown: unknown) => report(failure(name, stage, thrown)));
        } catch (thrown) {
          report(failure(name, stage, thrown));
          return tap.type === 'promise' ? Promise.resolve() : undefined;
        }
      };
      if (tap.type === 'async') {
        throw failure(name, stage, 'used tapAsync(); this hook takes tap() and tapPromise()');
      }
      if (tap.type === 'promise') return { ...tap, fn: async (...args: unknown[]) => await guarded(...args) };
      return { ...tap, fn: guarded };
    },
  });
}

function refuseUnknownBefore(hook: AnyHook, tap: FullTap): void {
  const wanted: unknown = tap.before;
  if (wanted === undefined) return;
  for (const name of Array.isArray(wanted) ? wanted : [wanted]) {
    if (!hook.taps.some(known => known.name === name)) {
      throw failure(tap.name, hook.name ?? '', `wants to be before ${String(name)}, which has no tap there`);
    }
  }
}

function failure(plugin: string, stage: string, why: unknown): WeldrError {
  const detail = typeof why === 'string' ? why : describeError(why);
  return new WeldrError('PLUGIN_FAILED', `plugin ${plugin} in ${stage}: ${detail}`, {
    cause: typeof why === 'string' ? undefined : why,
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof (value as { then: unknown }).then === 'function'
  );
}
