// Guards around what plugins tap into hooks: a mistake becomes an error that names the plugin and the stage.
import { types } from 'node:util';
import type { FullTap } from 'tapable';
import { adoptError, describeError, WeldrError } from '../errors.ts';
import { isUpstream } from '../pool/pool.ts';
import { ProxyContext, stateOf } from '../request/context.ts';
import { adoptReply, isReply } from '../request/reply.ts';
import { adoptRetry, Retry } from '../request/retry.ts';
import type { RouteReply } from '../request/route.ts';

/** The most characters that are shown of what a tap returned by mistake. */
const maxShown = 200;

/** The part of tapable's hooks that the guards need. */
export interface AnyHook {
  readonly name?: string | undefined;
  readonly taps: readonly FullTap[];
  intercept(interceptor: { register(tap: FullTap): FullTap }): void;
}

/** The plugin whose taps are guarded, and the receiver of errors that cannot fail a request. */
export interface Guard {
  /** Undefined: the name of each tap. */
  readonly plugin: string | undefined;
  report(error: WeldrError, requestId?: string): void;
}

/** Returns whether a tap may return this. `undefined` is always allowed. */
export type Accepts = (value: unknown, ctx: ProxyContext) => boolean;

/** One guarded tap. */
interface Place {
  readonly plugin: string;
  readonly stage: string;
  readonly expected: string;
  readonly accepts: Accepts;
  readonly guard: Guard;
}

/** Gives each tap of a stage a wrapper that turns its mistakes into a PLUGIN_FAILED error of its request. */
export function guardStage(hook: AnyHook, guard: Guard, expected: string, accepts: Accepts): void {
  const stage = hook.name ?? '';
  hook.intercept({
    register(tap) {
      const place = { plugin: guard.plugin ?? tap.name, stage, expected, accepts, guard };
      return { ...tap, fn: guardedTap(tap, place) };
    },
  });
}

function guardedTap(tap: FullTap, place: Place) {
  const { fn } = tap;
  if (tap.type === 'promise') {
    return async (ctx: ProxyContext, second: unknown) => {
      try {
        stateOf(ctx).tap = place.plugin;
        const result: unknown = fn(ctx, second);
        if (!isThenable(result)) {
          throw failure(place.plugin, place.stage, 'gave tapPromise() a function that returns no promise');
        }
        return checked(place, await result, ctx);
      } catch (thrown) {
        throw asFailure(place, thrown);
      }
    };
  }
  if (tap.type === 'async') return guardedCallbackTap(tap, place);
  return (ctx: ProxyContext, second: unknown) => {
    try {
      stateOf(ctx).tap = place.plugin;
      const value: unknown = fn(ctx, second);
      return value === undefined ? undefined : checked(place, value, ctx);
    } catch (thrown) {
      throw asFailure(place, thrown);
    }
  };
}

function guardedCallbackTap(tap: FullTap, place: Place) {
  return (ctx: ProxyContext, callback: (error: unknown, value?: unknown) => void) => {
    let called = false;
    const end = (error: WeldrError | undefined, value?: unknown): void => {
      if (called) return;
      called = true;
      callback(error, value);
    };
    const settle = (error: unknown, value?: unknown): void => {
      let result: unknown;
      try {
        if (error) throw error;
        result = checked(place, value, ctx);
      } catch (thrown) {
        end(asFailure(place, thrown));
        return;
      }
      end(undefined, result);
    };
    stateOf(ctx).tap = place.plugin;
    const fail = (thrown: unknown): void => {
      // The request may have continued by then: its failure can only be reported.
      if (called) place.guard.report(asFailure(place, thrown), ctx.id);
      else end(asFailure(place, thrown));
    };
    try {
      // An async function may call back, but its rejection would end the worker.
      const result: unknown = tap.fn(ctx, settle);
      if (types.isPromise(result)) Promise.prototype.then.call(result, undefined, fail);
    } catch (thrown) {
      fail(thrown);
    }
  };
}

/** Passes on what the tap may return; throws for the rest. */
function checked(place: Place, value: unknown, ctx: ProxyContext): unknown {
  if (value === undefined) return undefined;
  if (place.accepts(value, ctx)) return accepted(place, value, ctx);
  const adopted = adoptReply(value) ?? adoptRetry(value);
  if (adopted !== undefined && place.accepts(adopted, ctx)) return accepted(place, adopted, ctx);
  const { plugin, stage, expected } = place;
  if (isThenable(value)) {
    dropRejection(value);
    throw failure(plugin, stage, 'returned a promise from tap(); use tapPromise() for an async function');
  }
  throw failure(plugin, stage, `returned ${show(value)}; expected ${expected} or undefined`);
}

function accepted(place: Place, value: unknown, ctx: ProxyContext): unknown {
  if (isUpstream(value)) return value;
  if (isReply(value) || value instanceof Retry) stateOf(ctx).ensureRare().repliedBy = place.plugin;
  // Only `false` keeps the other taps from being called.
  return value === true ? undefined : value;
}

/** Guards the function that makes the reply of a route, in the same way. */
export function guardedReply(make: (ctx: ProxyContext) => unknown, guard: Guard, plugin: string): RouteReply {
  const place = { plugin, stage: 'route', expected: 'a reply', accepts: isReply, guard };
  return ctx => {
    try {
      stateOf(ctx).tap = plugin;
      const value = checked(place, make(ctx), ctx);
      if (isReply(value)) return value;
      throw failure(plugin, place.stage, 'its route made no reply');
    } catch (thrown) {
      throw asFailure(place, thrown);
    }
  };
}

/** Guards `respond`: a tap that fails fails its request; a reply that it returns replaces the response. */
export function guardRespond(hook: AnyHook, guard: Guard): void {
  const stage = hook.name ?? '';
  hook.intercept({
    register(tap) {
      const place = {
        plugin: guard.plugin ?? tap.name,
        stage,
        expected: 'a reply',
        accepts: isReply,
        guard,
      };
      refuseAsync(tap, place);
      const { fn } = tap;
      return {
        ...tap,
        fn: (ctx: ProxyContext) => {
          const state = stateOf(ctx);
          state.tap = place.plugin;
          try {
            const value = checked(place, fn(ctx), ctx);
            if (!isReply(value)) return;
            if (state.responseSource === 'upstream') {
              throw failure(
                place.plugin,
                stage,
                'returned a reply for an upstream’s response, which only postProxy may replace',
              );
            }
            state.replaceResponse(value, 'plugin', place.plugin);
          } catch (thrown) {
            throw asFailure(place, thrown);
          }
        },
      };
    },
  });
}

/** Guards `connection`: a connection whose tap fails is turned away. */
export function guardConnection(hook: AnyHook, guard: Guard): void {
  const stage = hook.name ?? '';
  hook.intercept({
    register(tap) {
      const plugin = guard.plugin ?? tap.name;
      const { fn } = tap;
      return {
        ...tap,
        fn: (connection: unknown) => {
          try {
            const value: unknown = fn(connection);
            if (value === undefined || value === 'refuse') return value;
            dropRejection(value);
            throw failure(plugin, stage, `returned ${show(value)}; expected 'refuse' or undefined`);
          } catch (thrown) {
            guard.report(failureOf(plugin, stage, thrown));
            return 'refuse';
          }
        },
      };
    },
  });
}

/** Guards hooks whose taps only listen: a failure is reported, and the next tap runs. */
export function guardListener(hook: AnyHook, guard: Guard): void {
  const stage = hook.name ?? '';
  hook.intercept({
    register(tap) {
      const plugin = guard.plugin ?? tap.name;
      if (guard.plugin === undefined) {
        refuseUnknownBefore(tap, stage, new Set(hook.taps.map(known => known.name)));
      }
      const { fn } = tap;
      const failed = (thrown: unknown, about: unknown): void => {
        const requestId = about instanceof ProxyContext ? about.id : undefined;
        guard.report(failureOf(plugin, stage, thrown), requestId);
      };
      const guarded = (...args: unknown[]): unknown => {
        try {
          const result: unknown = fn(...args);
          if (!isThenable(result)) return undefined;
          return Promise.resolve(result).then(undefined, thrown => failed(thrown, args[0]));
        } catch (thrown) {
          failed(thrown, args[0]);
          return tap.type === 'promise' ? Promise.resolve() : undefined;
        }
      };
      if (tap.type === 'async') {
        throw failure(plugin, stage, 'used tapAsync(); this hook takes tap() and tapPromise()');
      }
      if (tap.type === 'promise') return { ...tap, fn: async (...args: unknown[]) => await guarded(...args) };
      return { ...tap, fn: guarded };
    },
  });
}

/** The names of the taps that a tap must precede. */
export function wantedBefore({ before }: FullTap): readonly string[] {
  const wanted: unknown = before;
  if (wanted === undefined) return [];
  return (Array.isArray(wanted) ? wanted : [wanted]).map(String);
}

/** Throws PLUGIN_FAILED if a tap must precede one that does not exist. */
export function refuseUnknownBefore(tap: FullTap, stage: string, known: ReadonlySet<string>): void {
  for (const name of wantedBefore(tap)) {
    if (!known.has(name)) throw failure(tap.name, stage, `must run before ${name}, which has no tap there`);
  }
}

function refuseAsync(tap: FullTap, { plugin, stage }: Place): void {
  if (tap.type !== 'sync') throw failure(plugin, stage, 'is asynchronous; this hook takes tap() only');
}

function asFailure(place: Place, thrown: unknown): WeldrError {
  return failureOf(place.plugin, place.stage, thrown);
}

/** Returns what a request fails with for what a plugin threw: an error of Weldr's own class, whatever was thrown. */
export function failureOf(plugin: string, stage: string, raised: unknown): WeldrError {
  const thrown = adoptError(raised);
  // An error of a class that extends Weldr's may claim a status that no client can be sent.
  if (thrown instanceof WeldrError && Object.getPrototypeOf(thrown) === WeldrError.prototype) {
    const isNamed = thrown.code === 'PLUGIN_FAILED' && typeof thrown.plugin === 'string';
    if (isNamed || thrown.blame === 'client') return thrown;
  }
  return failure(plugin, stage, thrown);
}

/** Returns the error of a plugin's mistake: `why` is a sentence, or what was thrown. */
export function failure(plugin: string, stage: string, why: unknown): WeldrError {
  const detail = typeof why === 'string' ? why : describeError(why);
  return new WeldrError('PLUGIN_FAILED', `plugin ${plugin} in ${stage}: ${detail}`, {
    cause: typeof why === 'string' ? undefined : why,
    plugin,
    stage,
  });
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, maxShown));
  if (typeof value === 'function') return `the function ${value.name}`;
  if (value instanceof ProxyContext) return 'the context';
  if (isUpstream(value)) return `the upstream ${value.id} of pool ${value.pool}`;
  try {
    return String(value).slice(0, maxShown);
  } catch {
    return typeof value;
  }
}

/** Silences a promise that is not awaited: its mistake was reported, and its rejection must not end the worker. */
function dropRejection(value: unknown): void {
  if (types.isPromise(value)) Promise.prototype.then.call(value, undefined, () => {});
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof (value as { then: unknown }).then === 'function'
  );
}
