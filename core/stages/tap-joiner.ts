// Joins the taps of plugins into one hook: decides in what order they run, and for which requests.
import type { FullTap } from 'tapable';
import type { Chain } from './chain.ts';
import { tapAgain, tapIf } from './joined-tap.ts';
import type { RequestHooks } from './request-hooks.ts';
import { type Condition, scopeName } from './scope.ts';
import type { StageEntry } from './stage-entry.ts';
import { type Stopwatch, type Tap, timed } from './stopwatch.ts';
import { type AnyHook, failureOf, wantedBefore } from './tap-guard.ts';
import { isTold, observedTap, type TapObserver } from './tap-observer.ts';

/** What watches the joined taps. */
export interface TapWatchers {
  /** Measures the taps; undefined: nothing does. */
  readonly stopwatch: Stopwatch | undefined;
  /** Observes those that say something about a request; undefined: nothing does. */
  readonly observer: TapObserver | undefined;
}

/** A tap, and the function that is joined in its place. */
interface JoinedTap {
  readonly tap: FullTap;
  readonly fn: Tap;
}

/** Taps `into` with what these plugins have tapped, the innermost of `scopes` first. */
export function joinTaps(
  into: AnyHook,
  stage: keyof RequestHooks,
  members: readonly StageEntry[],
  scopes: readonly string[],
  watchers: TapWatchers,
): void {
  const joined: JoinedTap[] = [];
  for (const entry of members) {
    const applies = applicability(entry, members, scopes);
    // An observer also sees taps that never run.
    if (applies === 'never' && watchers.observer === undefined) continue;
    for (const tap of (entry.hooks[stage] as AnyHook).taps) {
      const condition =
        applies === 'always' ? undefined : suited(applies === 'never' ? never : applies, stage, entry.plugin);
      joined.push({ tap, fn: asJoined(tap, condition, stage, entry, watchers) });
    }
  }
  // A tap may precede one of a later plugin, which must then be tapped first.
  const names = new Set(joined.map(({ tap }) => tap.name));
  for (const { tap, fn } of joined) if (tap.before === undefined) tapAgain(into, tap, fn, []);
  for (const { tap, fn } of joined) {
    // Names of taps that an inner plugin of their role has replaced here are left out.
    const before = wantedBefore(tap).filter(name => names.has(name));
    if (tap.before !== undefined) tapAgain(into, tap, fn, before);
  }
}

/** Reports to an observer that no tap chose an upstream, and that a request is over. */
export function tapEnds(chain: Chain, observer: TapObserver): void {
  // After all plugins.
  const last = { name: 'weldr', stage: Number.MAX_SAFE_INTEGER };
  chain.selectUpstream.tap(last, ctx => {
    observer.noneChosen(ctx);
    return undefined;
  });
  chain.finished.tap(last, ctx => observer.finished(ctx));
}

/** Returns what a tap does in joined stages: nothing unless its condition holds. */
function asJoined(
  tap: FullTap,
  condition: Condition | undefined,
  stage: keyof RequestHooks,
  { plugin, scope, conditions }: StageEntry,
  { observer, stopwatch }: TapWatchers,
): Tap {
  const fn = measuredTap(tap, stage, plugin, stopwatch);
  if (observer !== undefined && isTold(stage)) {
    const place = { stage, plugin: plugin === '' ? tap.name : plugin, scope, conditions };
    return observedTap({ fn, type: tap.type, condition }, place, observer);
  }
  return condition === undefined ? fn : tapIf(condition, fn, tap.type);
}

function measuredTap(
  { fn, type }: FullTap,
  stage: string,
  plugin: string,
  stopwatch: Stopwatch | undefined,
): Tap {
  if (stopwatch === undefined) return fn as Tap;
  return timed(fn as Tap, type, ms => stopwatch.took(plugin, stage, ms));
}

const never: Condition = () => false;

/** Stages that see refused requests too, including those whose path was too ambiguous for a condition. */
const lookers: ReadonlySet<keyof RequestHooks> = new Set(['respond', 'attemptFinished', 'finished']);

/** If a condition cannot decide, a stage that decides fails, and one that only looks sees the request. */
function suited(condition: Condition, stage: keyof RequestHooks, plugin: string): Condition {
  const looks = lookers.has(stage);
  return ctx => {
    try {
      return condition(ctx);
    } catch (thrown) {
      if (looks) return true;
      throw failureOf(plugin, stage, thrown);
    }
  };
}

/** Returns when an entry runs: if its conditions hold, and no inner plugin of its role does its work. */
function applicability(
  entry: StageEntry,
  members: readonly StageEntry[],
  scopes: readonly string[],
): 'always' | 'never' | Condition {
  const inner = members.filter(other => isInner(other, entry, scopes));
  if (inner.some(other => other.conditions.length === 0)) return 'never';
  const { conditions } = entry;
  if (conditions.length === 0 && inner.length === 0) return 'always';
  return ctx =>
    conditions.every(holds => holds(ctx)) &&
    !inner.some(other => other.conditions.every(holds => holds(ctx)));
}

/** Returns whether `other` has the role of `entry`, in a scope or `when` further in. */
function isInner(other: StageEntry, entry: StageEntry, scopes: readonly string[]): boolean {
  if (other === entry || entry.role === undefined || other.role !== entry.role) return false;
  const depth = scopes.indexOf(scopeName(other.scope)) - scopes.indexOf(scopeName(entry.scope));
  return depth < 0 || (depth === 0 && other.conditions.length > entry.conditions.length);
}
