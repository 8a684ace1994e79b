// TapObserver: observes each tap that a request meets, in stages that were joined with it. Requests in other stages pay
// nothing.
import type { Upstream } from '../pool/pool.ts';
import type { ProxyContext } from '../request/context.ts';
import type { RequestHooks } from './request-hooks.ts';
import type { Condition, Scope } from './scope.ts';
import type { Tap } from './stopwatch.ts';

/** The stages whose taps say something about a request. */
export type ToldStage = Exclude<
  keyof RequestHooks,
  'connection' | 'attemptFinished' | 'finished' | 'connectionFinished'
>;

/** The place of a tap. */
export interface TapPlace {
  readonly stage: ToldStage;
  /** The instance of the plugin. */
  readonly plugin: string;
  readonly scope: Scope;
  /** The conditions of the `when` around it. */
  readonly conditions: readonly Condition[];
}

/** Follows one request. What it throws fails the request. */
export interface TapObserver {
  /** A tap is about to run; `upstream`: the one that `eligible` is called for. */
  begins(ctx: ProxyContext, place: TapPlace, upstream: Upstream | undefined): void;
  /** The tap has returned this. */
  ended(ctx: ProxyContext, place: TapPlace, value: unknown): void;
  /** The tap has thrown this. */
  failed(ctx: ProxyContext, place: TapPlace, thrown: unknown): void;
  /** The tap does not run: its condition does not hold, or an inner plugin of its role does its work. */
  skipped(ctx: ProxyContext, place: TapPlace): void;
  /** No tap of `selectUpstream` has chosen. */
  noneChosen(ctx: ProxyContext): void;
  /** The request is over. */
  finished(ctx: ProxyContext): void;
}

const told: ReadonlySet<keyof RequestHooks> = new Set<ToldStage>([
  'request',
  'route',
  'selectUpstream',
  'eligible',
  'preProxy',
  'judge',
  'postProxy',
  'respond',
]);

/** Returns whether taps of this stage say something about a request. */
export function isTold(stage: keyof RequestHooks): stage is ToldStage {
  return told.has(stage);
}

type Done = (thrown?: unknown, value?: unknown) => void;

/** Returns the same tap with an observer; `type` is tapable's, and `condition` says whether it runs. */
export function observedTap(
  {
    fn,
    type,
    condition,
  }: { readonly fn: Tap; readonly type: string; readonly condition: Condition | undefined },
  place: TapPlace,
  observer: TapObserver,
): Tap {
  const applies = (ctx: ProxyContext): boolean => {
    const holds = condition?.(ctx) ?? true;
    if (!holds) observer.skipped(ctx, place);
    return holds;
  };
  if (type === 'promise') {
    return async (ctx, second) => {
      if (!applies(ctx)) return undefined;
      observer.begins(ctx, place, undefined);
      try {
        const value = await fn(ctx, second);
        observer.ended(ctx, place, value);
        return value;
      } catch (thrown) {
        observer.failed(ctx, place, thrown);
        throw thrown;
      }
    };
  }
  if (type === 'async') return observedCallbackTap(fn, applies, place, observer);
  return (ctx, second) => {
    if (!applies(ctx)) return undefined;
    observer.begins(ctx, place, place.stage === 'eligible' ? (second as Upstream) : undefined);
    try {
      const value = fn(ctx, second);
      observer.ended(ctx, place, value);
      return value;
    } catch (thrown) {
      observer.failed(ctx, place, thrown);
      throw thrown;
    }
  };
}

function observedCallbackTap(
  fn: Tap,
  applies: (ctx: ProxyContext) => boolean,
  place: TapPlace,
  observer: TapObserver,
): Tap {
  return (ctx, second) => {
    const done = second as Done;
    let runs: boolean;
    try {
      runs = applies(ctx);
    } catch (thrown) {
      done(thrown);
      return;
    }
    if (!runs) {
      done();
      return;
    }
    observer.begins(ctx, place, undefined);
    // The guard around the tap calls back once, and throws nothing.
    const settled: Done = (thrown, value) => {
      if (thrown) observer.failed(ctx, place, thrown);
      else observer.ended(ctx, place, value);
      done(thrown, value);
    };
    fn(ctx, settled);
  };
}
