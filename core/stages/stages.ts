// Stages: the hooks of all plugins of a worker, joined into what a request goes through. Which plugins that are depends
// on its route and its pool; each combination is joined once, at the first request which needs it.
import { AsyncSeriesBailHook, type FullTap, SyncBailHook, SyncHook } from 'tapable';
import type { Pool } from '../pool/pool.ts';
import type { Route } from '../request/route.ts';
import { tapAgain, tapIf } from './joined-tap.ts';
import { RequestEpochs } from './request-epochs.ts';
import type { RequestHooks } from './request-hooks.ts';
import { type Condition, type Role, type Scope, scopeName } from './scope.ts';
import { ScopePairs } from './scope-pairs.ts';
import { type Stopwatch, type Tap, timed } from './stopwatch.ts';
import { type AnyHook, failure, failureOf, refuseUnknownBefore, wantedBefore } from './tap-guard.ts';
import { isTold, observedTap, type TapObserver } from './tap-observer.ts';

/** One plugin's hooks, and for whom they run. */
export interface StageEntry {
  /** The name of the plugin. */
  readonly plugin: string;
  readonly hooks: RequestHooks;
  readonly scope: Scope;
  readonly role: Role | undefined;
  /** All must hold, from the outermost `when` inwards. */
  readonly conditions: readonly Condition[];
}

/** The stages of the whole config that come before route and pool are known, and those of the connection. */
export type Entrance = Pick<RequestHooks, 'connection' | 'request' | 'route' | 'connectionFinished'>;

/** The stages of the requests of one route and pool, inner scopes first. */
export type Chain = Pick<
  RequestHooks,
  | 'selectUpstream'
  | 'eligible'
  | 'preProxy'
  | 'judge'
  | 'postProxy'
  | 'respond'
  | 'attemptFinished'
  | 'finished'
>;

/** Admission of an inner scope. */
export type Admission = RequestHooks['request'];

/** The end of a request for an inner scope which it has left before. */
export type Departure = RequestHooks['finished'];

/** All stages of a worker. */
export class Stages {
  /** When the requests that are under way are over. */
  readonly epochs: RequestEpochs;
  private readonly entries = new Set<StageEntry>();
  /** The same by the names of their scopes. */
  private readonly byScope: Map<string, StageEntry[]>;
  private entrance: Entrance | undefined = undefined;
  private plainChain: Chain | undefined = undefined;
  private readonly chains = new ScopePairs<Chain>();
  private readonly admissions = new Map<string, Admission>();
  private readonly departures = new Map<string, Departure>();
  /** Was all of it checked, as at the end of the start? What is tapped later is checked by itself. */
  private checked = false;
  private hasScopes = false;
  /** The stages that these are the measured or observed ones of, or these themselves. */
  private readonly origin: Stages;
  private readonly stopwatch: Stopwatch | undefined;
  /** The same stages with their taps measured; undefined: nobody measures. */
  private measured: Stages | undefined = undefined;
  private untilMeasured = 0;
  /** Told of all taps that say something; undefined, as for nearly all requests: they are joined as they are. */
  private observer: TapObserver | undefined = undefined;

  /** `of`: stages that are the same but for being measured or observed. */
  constructor(of?: Stages, stopwatch?: Stopwatch) {
    this.origin = of ?? this;
    this.epochs = of?.epochs ?? new RequestEpochs();
    this.byScope = of?.byScope ?? new Map();
    this.stopwatch = stopwatch;
  }

  /** The stages of plugins that all stand in the config's own scope, in this order. */
  static of(...hooks: readonly RequestHooks[]): Stages {
    const stages = new Stages();
    for (const each of hooks) {
      stages.add({ plugin: '', hooks: each, scope: { kind: 'config' }, role: undefined, conditions: [] });
    }
    return stages;
  }

  /** Adds a plugin behind those that are there. Its hooks may be tapped at any time. */
  add(entry: StageEntry): void {
    const scope = scopeName(entry.scope);
    this.watch(entry);
    this.entries.add(entry);
    const others = this.byScope.get(scope);
    if (others === undefined) this.byScope.set(scope, [entry]);
    else others.push(entry);
    this.hasScopes ||= scope !== '';
    this.forget(scope);
  }

  /**
   * Has these be the plugins of a scope, in this order, from now on; one that is not among them any more is asked by the
   * requests that have come to it before. All were {@link watch}ed. Nothing else is joined anew.
   */
  replace(scope: Scope, entries: readonly StageEntry[]): void {
    const name = scopeName(scope);
    for (const entry of this.byScope.get(name) ?? []) this.entries.delete(entry);
    for (const entry of entries) this.entries.add(entry);
    if (entries.length === 0) this.byScope.delete(name);
    else this.byScope.set(name, [...entries]);
    this.hasScopes = this.byScope.size > (this.byScope.has('') ? 1 : 0);
    this.forget(name);
  }

  /**
   * Makes the hooks of a plugin those of a plugin: what is tapped is checked, and joined where the plugin stands. To be
   * called before the plugin has them.
   */
  watch(entry: StageEntry): void {
    const scope = scopeName(entry.scope);
    for (const stage of keysOf(entry.hooks)) {
      const hook = entry.hooks[stage] as AnyHook;
      hook.intercept({
        register: tap => {
          if (this.checked && this.entries.has(entry)) this.checkLate(entry, stage, tap);
          this.forget(scope);
          // Its function is the guarded one, and stays it.
          return Object.freeze(tap);
        },
      });
      // One of the plugin's own would stand behind the guards; and the hook itself is never called.
      hook.intercept = () => {
        throw failure(
          entry.plugin,
          stage,
          'used intercept(), which a plugin’s hooks do not have; tap the hook',
        );
      };
    }
  }

  /** Has the taps of one of many requests measured from now on. */
  measure(stopwatch: Stopwatch): void {
    this.measured = new Stages(this, stopwatch);
    this.measured.observer = this.observer;
    this.untilMeasured = stopwatch.every;
  }

  /** What the next request goes through. */
  next(): Stages {
    if (this.measured === undefined || --this.untilMeasured > 0) return this;
    this.untilMeasured = this.measured.stopwatch?.every ?? 1;
    return this.measured;
  }

  /** The same plugins, joined anew for one request, of whose taps the observer is told. */
  observedBy(observer: TapObserver): Stages {
    const stages = new Stages(this);
    stages.observer = observer;
    return stages;
  }

  /** Has an observer told of all requests that begin from now on; undefined: of none, and then none pays for it. */
  observe(observer: TapObserver | undefined): void {
    if (observer === this.observer) return;
    this.observer = observer;
    if (this.measured !== undefined) this.measured.observer = observer;
    this.forget('');
  }

  /** Do routes or pools have plugins of their own, so that the stages of a request depend on these? */
  get scoped(): boolean {
    return this.origin.hasScopes;
  }

  /** What a connection and a request go through first. */
  get first(): Entrance {
    this.entrance ??= this.joinEntrance();
    return this.entrance;
  }

  /** What a request goes through whose route and pool are not known (yet). */
  get plain(): Chain {
    this.plainChain ??= this.chain('', '');
    return this.plainChain;
  }

  /** What the requests of this route in this pool go through; undefined: it leads to a reply. */
  of(route: Route | undefined, pool: Pool | undefined): Chain {
    if (!this.scoped) return this.plain;
    const routeName = route === undefined ? '' : this.scopeOf('route', route.name);
    return this.chain(routeName, pool === undefined ? '' : this.scopeOf('pool', pool.name));
  }

  /** The `request` stage of a route's or pool's own plugins; undefined: there are none. */
  admission(kind: 'route' | 'pool', name: string): Admission | undefined {
    if (!this.scoped) return undefined;
    const scope = this.scopeOf(kind, name);
    if (scope === '') return undefined;
    let admission = this.admissions.get(scope);
    if (admission === undefined) {
      admission = new AsyncSeriesBailHook(['ctx'], 'request');
      this.join(admission, 'request', [scope]);
      this.admissions.set(scope, admission);
    }
    return admission.taps.length === 0 ? undefined : admission;
  }

  /** The `finished` stage of a pool's own plugins, for a request which ends in another pool; undefined: there are none. */
  departure(pool: string): Departure | undefined {
    const scope = this.scopeOf('pool', pool);
    if (scope === '') return undefined;
    let departure = this.departures.get(scope);
    if (departure === undefined) {
      departure = new SyncHook(['ctx'], 'finished');
      this.join(departure, 'finished', [scope]);
      this.departures.set(scope, departure);
    }
    return departure.taps.length === 0 ? undefined : departure;
  }

  /**
   * Joins what can be joined now, so that mistakes show at the start. Throws PLUGIN_FAILED for a tap that can never be
   * asked, and for one that wants to be before one that is not there.
   */
  check(): void {
    for (const entry of this.entries) this.checkEntry(entry, []);
    void this.first;
    void this.plain;
    for (const scope of this.byScope.keys()) {
      if (scope.startsWith('pool:')) this.chain('', scope);
      else if (scope !== '') this.chain(scope, '');
    }
    this.checked = true;
  }

  /** The same for plugins that are to stand in a scope: see {@link replace}. */
  checkAll(entries: readonly StageEntry[]): void {
    for (const entry of entries) this.checkEntry(entry, entries);
  }

  /** Would a plugin choose among the servers of a pool whose own plugins these are? */
  choosesWith(entries: readonly StageEntry[]): boolean {
    const chooses = ({ hooks }: StageEntry): boolean => hooks.selectUpstream.taps.length > 0;
    for (const entry of this.entries) if (entry.scope.kind !== 'pool' && chooses(entry)) return true;
    return entries.some(chooses);
  }

  private checkEntry(entry: StageEntry, beside: readonly StageEntry[]): void {
    for (const stage of keysOf(entry.hooks)) {
      const { taps } = entry.hooks[stage] as AnyHook;
      if (taps.length > 0) refuseUnasked(entry, stage);
      for (const tap of taps) this.refuseUnknownBefore(tap, stage, beside);
    }
  }

  /** Throws to the plugin which taps, as no request may fail for it. */
  private checkLate(entry: StageEntry, stage: keyof RequestHooks, tap: FullTap): void {
    refuseUnasked(entry, stage);
    this.refuseUnknownBefore(tap, stage);
  }

  /** Most taps want to be before nobody: then all names need not be known. */
  private refuseUnknownBefore(
    tap: FullTap,
    stage: keyof RequestHooks,
    beside: readonly StageEntry[] = [],
  ): void {
    if (wantedBefore(tap).length > 0) refuseUnknownBefore(tap, stage, this.tapNames(stage, beside));
  }

  /** What the taps of a stage are called, in all scopes. */
  private tapNames(stage: keyof RequestHooks, beside: readonly StageEntry[]): ReadonlySet<string> {
    const names = new Set<string>();
    for (const entries of [this.entries, beside]) {
      for (const { hooks } of entries) for (const tap of (hooks[stage] as AnyHook).taps) names.add(tap.name);
    }
    return names;
  }

  private scopeOf(kind: 'route' | 'pool', name: string): string {
    const scope = `${kind}:${name}`;
    return this.byScope.has(scope) ? scope : '';
  }

  /** What was joined of a scope is joined anew when it is needed next. The config's own scope is part of everything. */
  private forget(scope: string): void {
    this.measured?.forget(scope);
    if (scope !== '') {
      this.chains.forget(scope);
      this.admissions.delete(scope);
      this.departures.delete(scope);
      return;
    }
    this.entrance = undefined;
    this.plainChain = undefined;
    this.chains.clear();
    this.admissions.clear();
    this.departures.clear();
  }

  private joinEntrance(): Entrance {
    const entrance: Entrance = {
      connection: new SyncBailHook(['connection'], 'connection'),
      request: new AsyncSeriesBailHook(['ctx'], 'request'),
      route: new SyncBailHook(['ctx'], 'route'),
      connectionFinished: new SyncHook(['connection'], 'connectionFinished'),
    };
    for (const stage of keysOf(entrance)) this.join(entrance[stage], stage, ['']);
    return entrance;
  }

  private chain(route: string, pool: string): Chain {
    const known = this.chains.get(route, pool);
    if (known !== undefined) return known;
    const chain: Chain = {
      selectUpstream: new AsyncSeriesBailHook(['ctx'], 'selectUpstream'),
      eligible: new SyncBailHook(['ctx', 'upstream'], 'eligible'),
      preProxy: new AsyncSeriesBailHook(['ctx'], 'preProxy'),
      judge: new AsyncSeriesBailHook(['ctx'], 'judge'),
      postProxy: new AsyncSeriesBailHook(['ctx'], 'postProxy'),
      respond: new SyncHook(['ctx'], 'respond'),
      attemptFinished: new SyncHook(['ctx'], 'attemptFinished'),
      finished: new SyncHook(['ctx'], 'finished'),
    };
    const scopes = [pool, route, ''].filter((scope, at) => scope !== '' || at === 2);
    for (const stage of keysOf(chain)) this.join(chain[stage], stage, scopes);
    if (this.observer !== undefined) tellOfEnds(chain, this.observer);
    this.chains.set(route, pool, chain);
    return chain;
  }

  /** Taps `into` with what the plugins of these scopes have tapped, the first scope first. */
  private join(into: AnyHook, stage: keyof RequestHooks, scopes: readonly string[]): void {
    const members = scopes.flatMap(scope => this.byScope.get(scope) ?? []);
    const joined: JoinedTap[] = [];
    for (const entry of members) {
      const applies = applicability(entry, members, scopes);
      // Who follows a request wants to know of those, too.
      if (applies === 'never' && this.observer === undefined) continue;
      for (const tap of (entry.hooks[stage] as AnyHook).taps) {
        const condition =
          applies === 'always'
            ? undefined
            : suited(applies === 'never' ? never : applies, stage, entry.plugin);
        joined.push({ tap, fn: this.asJoined(tap, condition, stage, entry) });
      }
    }
    // A tap may want to be before one of a plugin behind its own: that one has to be there first.
    const names = new Set(joined.map(({ tap }) => tap.name));
    for (const { tap, fn } of joined) if (tap.before === undefined) tapAgain(into, tap, fn, []);
    for (const { tap, fn } of joined) {
      // One that an inner plugin of its role has replaced here cannot be waited for.
      const before = wantedBefore(tap).filter(name => names.has(name));
      if (tap.before !== undefined) tapAgain(into, tap, fn, before);
    }
  }

  /** What a tap does in stages that are joined: nothing where its condition does not hold. */
  private asJoined(
    tap: FullTap,
    condition: Condition | undefined,
    stage: keyof RequestHooks,
    { plugin, scope, conditions }: StageEntry,
  ): Tap {
    const fn = this.measuredTap(tap, stage, plugin);
    if (this.observer !== undefined && isTold(stage)) {
      const place = { stage, plugin: plugin === '' ? tap.name : plugin, scope, conditions };
      return observedTap({ fn, type: tap.type, condition }, place, this.observer);
    }
    return condition === undefined ? fn : tapIf(condition, fn, tap.type);
  }

  private measuredTap({ fn, type }: FullTap, stage: string, plugin: string): Tap {
    const { stopwatch } = this;
    if (stopwatch === undefined) return fn as Tap;
    return timed(fn as Tap, type, ms => stopwatch.took(plugin, stage, ms));
  }
}

/** Behind all plugins: nobody has chosen, and the request is over. */
function tellOfEnds(chain: Chain, observer: TapObserver): void {
  const last = { name: 'weldr', stage: Number.MAX_SAFE_INTEGER };
  chain.selectUpstream.tap(last, ctx => {
    observer.nobodyChose(ctx);
    return undefined;
  });
  chain.finished.tap(last, ctx => observer.finished(ctx));
}

/** A tap, and what it does where it is joined. */
interface JoinedTap {
  readonly tap: FullTap;
  readonly fn: Tap;
}

const never: Condition = () => false;

/** Stages which see refused requests too, one whose path was too ambiguous for a condition among them. */
const lookers: ReadonlySet<keyof RequestHooks> = new Set(['respond', 'attemptFinished', 'finished']);

/** Where a condition cannot tell, a stage that decides fails, and one that looks sees the request. */
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

function keysOf<T extends object>(object: T): (keyof T)[] {
  return Object.keys(object) as (keyof T)[];
}

/** A plugin of a route or pool has no say before these are known, and one of a `when` none without a request. */
function refuseUnasked({ plugin, scope, conditions }: StageEntry, stage: keyof RequestHooks): void {
  const isOfConnection = stage === 'connection' || stage === 'connectionFinished';
  const isInner = scope.kind !== 'config';
  if (!(isOfConnection && (isInner || conditions.length > 0)) && !(stage === 'route' && isInner)) return;
  const where = isInner ? `in the scope of ${scope.kind} ${scope.name}` : 'within a when';
  throw failure(plugin, stage, `is never asked ${where}; put it into the config's own plugins`);
}

/** When an entry runs: its conditions hold, and no inner plugin of its role does its work. */
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

/** Does `other` have the role of `entry`, in a scope or `when` further in? */
function isInner(other: StageEntry, entry: StageEntry, scopes: readonly string[]): boolean {
  if (other === entry || entry.role === undefined || other.role !== entry.role) return false;
  const depth = scopes.indexOf(scopeName(other.scope)) - scopes.indexOf(scopeName(entry.scope));
  return depth < 0 || (depth === 0 && other.conditions.length > entry.conditions.length);
}
