// Taps of plugins in the hooks that several plugins are joined into.
import type { FullTap } from 'tapable';
import type { Condition } from './scope.ts';
import type { Tap } from './stopwatch.ts';
import type { AnyHook } from './tap-guard.ts';

/** tapable's three ways to tap a joined hook. */
interface Tappable {
  tap(options: object, fn: unknown): void;
  tapAsync(options: object, fn: unknown): void;
  tapPromise(options: object, fn: unknown): void;
}

/** Taps a joined hook with `fn`, as the plugin tapped its own; `before`: the names of the taps that it must precede. */
export function tapAgain(
  into: AnyHook,
  { name, stage, type }: FullTap,
  fn: Tap,
  before: readonly string[],
): void {
  const options = {
    name,
    ...(before.length === 0 ? {} : { before }),
    ...(stage === undefined ? {} : { stage }),
  };
  const hook = into as unknown as Tappable;
  if (type === 'promise') hook.tapPromise(options, fn);
  else if (type === 'async') hook.tapAsync(options, fn);
  else hook.tap(options, fn);
}

/** Returns a tap that does nothing unless the condition holds; `type` is tapable's. */
export function tapIf(condition: Condition, fn: Tap, type: string): Tap {
  if (type === 'promise') return promiseIf(condition, fn);
  return type === 'async' ? callbackIf(condition, fn) : syncIf(condition, fn);
}

function syncIf(condition: Condition, fn: Tap): Tap {
  return (ctx, second) => (condition(ctx) ? fn(ctx, second) : undefined);
}

function promiseIf(condition: Condition, fn: Tap): Tap {
  return async (ctx, second) => (condition(ctx) ? await fn(ctx, second) : undefined);
}

function callbackIf(condition: Condition, fn: Tap): Tap {
  return (ctx, done) => {
    let applies: boolean;
    try {
      applies = condition(ctx);
    } catch (thrown) {
      if (typeof done === 'function') done(thrown);
      return;
    }
    if (applies) fn(ctx, done);
    else if (typeof done === 'function') done();
  };
}
