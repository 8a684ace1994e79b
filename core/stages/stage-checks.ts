// Checks of what plugins tap: refuses a tap that can never run, or that must precede a tap which does not exist.
import type { FullTap } from 'tapable';
import { keysOf, type RequestHooks } from './request-hooks.ts';
import type { StageEntry } from './stage-entry.ts';
import { type AnyHook, failure, refuseUnknownBefore, wantedBefore } from './tap-guard.ts';

/** Checks all taps of a plugin. Throws PLUGIN_FAILED. `lists`: the plugins whose taps they may have to precede. */
export function checkEntry(entry: StageEntry, ...lists: readonly Iterable<StageEntry>[]): void {
  for (const stage of keysOf(entry.hooks)) {
    const { taps } = entry.hooks[stage] as AnyHook;
    if (taps.length > 0) refuseUnasked(entry, stage);
    for (const tap of taps) checkBefore(tap, stage, lists);
  }
}

/** Checks one tap of a plugin, in the same way. */
export function checkTap(
  entry: StageEntry,
  stage: keyof RequestHooks,
  tap: FullTap,
  entries: Iterable<StageEntry>,
): void {
  refuseUnasked(entry, stage);
  checkBefore(tap, stage, [entries]);
}

/** Collects names only if they are needed: most taps need not precede any other. */
function checkBefore(tap: FullTap, stage: keyof RequestHooks, lists: readonly Iterable<StageEntry>[]): void {
  if (wantedBefore(tap).length > 0) refuseUnknownBefore(tap, stage, tapNames(stage, lists));
}

/** The names of the taps of a stage, in all scopes. */
function tapNames(stage: keyof RequestHooks, lists: readonly Iterable<StageEntry>[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const entries of lists) {
    for (const { hooks } of entries) for (const tap of (hooks[stage] as AnyHook).taps) names.add(tap.name);
  }
  return names;
}

/** A plugin of a route or pool cannot run before these are known, and one in a `when` cannot run without a request. */
function refuseUnasked({ plugin, scope, conditions }: StageEntry, stage: keyof RequestHooks): void {
  const isOfConnection = stage === 'connection' || stage === 'connectionFinished';
  const isInner = scope.kind !== 'config';
  if (!(isOfConnection && (isInner || conditions.length > 0)) && !(stage === 'route' && isInner)) return;
  const where = isInner ? `in the scope of ${scope.kind} ${scope.name}` : 'within a when';
  throw failure(plugin, stage, `is never asked ${where}; put it into the config's own plugins`);
}
