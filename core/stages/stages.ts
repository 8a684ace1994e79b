// Stages: the hooks of all plugins of a worker, joined into what a request goes through. Its route and its pool decide
// which plugins these are; each combination is joined once, for the first request that needs it.
import { AsyncSeriesBailHook, SyncBailHook, SyncHook } from 'tapable';
import type { Pool } from '../pool/pool.ts';
import type { RouteFacts } from '../request/route-facts.ts';
import type { Admission, Chain, Departure, Entrance } from './chain.ts';
import { RequestEpochs } from './request-epochs.ts';
import { keysOf, type RequestHooks } from './request-hooks.ts';
import { type Scope, scopeName } from './scope.ts';
import { ScopePairs } from './scope-pairs.ts';
import { checkEntry, checkTap } from './stage-checks.ts';
import type { StageEntry } from './stage-entry.ts';
import type { Stopwatch } from './stopwatch.ts';
import { type AnyHook, failure } from './tap-guard.ts';
import { joinTaps, tapEnds } from './tap-joiner.ts';
import type { TapObserver } from './tap-observer.ts';

/** All stages of a worker. */
export class Stages {
  /** Reports when the requests under way are over. */
  readonly epochs: RequestEpochs;
  private readonly entries = new Set<StageEntry>();
  /** The entries by the names of their scopes. */
  private readonly byScope: Map<string, StageEntry[]>;
  private entrance: Entrance | undefined = undefined;
  private plainChain: Chain | undefined = undefined;
  private readonly chains = new ScopePairs<Chain>();
  private readonly admissions = new Map<string, Admission>();
  private readonly departures = new Map<string, Departure>();
  /** Whether {@link check} has run, at the end of the start. Later taps are checked one by one. */
  private checked = false;
  private hasScopes = false;
  /** The stages that these are a measured or observed variant of, or these themselves. */
  private readonly origin: Stages;
  private readonly stopwatch: Stopwatch | undefined;
  /** The same stages with their taps measured; undefined: nothing is measured. */
  private measured: Stages | undefined = undefined;
  private untilMeasured = 0;
  /** Observes all taps that say something about a request; undefined, as for nearly all requests: nothing does. */
  private observer: TapObserver | undefined = undefined;

  /** `of`: the stages to make a measured or observed variant of. */
  constructor(of?: Stages, stopwatch?: Stopwatch) {
    this.origin = of ?? this;
    this.epochs = of?.epochs ?? new RequestEpochs();
    this.byScope = of?.byScope ?? new Map();
    this.stopwatch = stopwatch;
  }

  /** Returns the stages of plugins that are all in the config's own scope, in this order. */
  static of(...hooks: readonly RequestHooks[]): Stages {
    const stages = new Stages();
    for (const each of hooks) {
      stages.add({ plugin: '', hooks: each, scope: { kind: 'config' }, role: undefined, conditions: [] });
    }
    return stages;
  }

  /** Adds a plugin after the existing ones. Its hooks may be tapped at any time. */
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
   * Replaces the plugins of a scope, in this order, from now on; a plugin that is no longer among them still serves requests
   * that have entered its stages. {@link watch} must have been called for all. No other scope is joined again.
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
   * Watches the hooks of a plugin: what is tapped is checked, and joined at the place of the plugin. Call it before the
   * plugin gets the hooks.
   */
  watch(entry: StageEntry): void {
    const scope = scopeName(entry.scope);
    for (const stage of keysOf(entry.hooks)) {
      const hook = entry.hooks[stage] as AnyHook;
      hook.intercept({
        register: tap => {
          if (this.checked && this.entries.has(entry)) checkTap(entry, stage, tap, this.entries);
          this.forget(scope);
          // Frozen, so that its function remains the guarded one.
          return Object.freeze(tap);
        },
      });
      // A plugin's interceptor could replace the guarded functions, and would see no calls: this hook is never called.
      hook.intercept = () => {
        throw failure(
          entry.plugin,
          stage,
          'used intercept(), which a plugin’s hooks do not have; tap the hook',
        );
      };
    }
  }

  /** Measures the taps of one in many requests from now on. */
  measure(stopwatch: Stopwatch): void {
    this.measured = new Stages(this, stopwatch);
    this.measured.observer = this.observer;
    this.untilMeasured = stopwatch.every;
  }

  /** Returns the stages that the next request goes through. */
  next(): Stages {
    if (this.measured === undefined || --this.untilMeasured > 0) return this;
    this.untilMeasured = this.measured.stopwatch?.every ?? 1;
    return this.measured;
  }

  /** Returns the stages of the same plugins, joined again with an observer of their taps. */
  observedBy(observer: TapObserver): Stages {
    const stages = new Stages(this);
    stages.observer = observer;
    return stages;
  }

  /** Observes all requests that begin from now on; undefined: none, and no request pays anything. */
  observe(observer: TapObserver | undefined): void {
    if (observer === this.observer) return;
    this.observer = observer;
    if (this.measured !== undefined) this.measured.observer = observer;
    this.forget('');
  }

  /** Whether routes or pools have their own plugins, so that the stages of a request depend on these. */
  get scoped(): boolean {
    return this.origin.hasScopes;
  }

  /** The stages that a connection and a request go through first. */
  get first(): Entrance {
    this.entrance ??= this.joinEntrance();
    return this.entrance;
  }

  /** The stages of a request whose route and pool are not known (yet). */
  get plain(): Chain {
    this.plainChain ??= this.chain('', '');
    return this.plainChain;
  }

  /** Returns the stages of requests of this route in this pool; undefined: the route leads to a reply. */
  of(route: RouteFacts | undefined, pool: Pool | undefined): Chain {
    if (!this.scoped) return this.plain;
    const routeName = route === undefined ? '' : this.scopeOf('route', route.name);
    return this.chain(routeName, pool === undefined ? '' : this.scopeOf('pool', pool.name));
  }

  /** Returns the `request` stage of a route's or pool's own plugins; undefined: it has none. */
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

  /** Returns the `finished` stage of a pool's own plugins, for a request that ends in another pool; undefined: it has none. */
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
   * Joins what can be joined now, so that mistakes show at the start. Throws PLUGIN_FAILED for a tap that can never run,
   * and for one that must precede a tap which does not exist.
   */
  check(): void {
    for (const entry of this.entries) checkEntry(entry, this.entries);
    void this.first;
    void this.plain;
    for (const scope of this.byScope.keys()) {
      if (scope.startsWith('pool:')) this.chain('', scope);
      else if (scope !== '') this.chain(scope, '');
    }
    this.checked = true;
  }

  /** Does the same for plugins that are about to join a scope: see {@link replace}. */
  checkAll(entries: readonly StageEntry[]): void {
    for (const entry of entries) checkEntry(entry, this.entries, entries);
  }

  /** Returns whether any plugin would choose among the upstreams of a pool whose own plugins these are. */
  choosesWith(entries: readonly StageEntry[]): boolean {
    const chooses = ({ hooks }: StageEntry): boolean => hooks.selectUpstream.taps.length > 0;
    for (const entry of this.entries) if (entry.scope.kind !== 'pool' && chooses(entry)) return true;
    return entries.some(chooses);
  }

  private scopeOf(kind: 'route' | 'pool', name: string): string {
    const scope = `${kind}:${name}`;
    return this.byScope.has(scope) ? scope : '';
  }

  /** Forgets what was joined for a scope; it is joined again when needed. The config's own scope is part of all. */
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
    if (this.observer !== undefined) tapEnds(chain, this.observer);
    this.chains.set(route, pool, chain);
    return chain;
  }

  /** Taps `into` with what the plugins of these scopes have tapped, in the order of the scopes. */
  private join(into: AnyHook, stage: keyof RequestHooks, scopes: readonly string[]): void {
    const members = scopes.flatMap(scope => this.byScope.get(scope) ?? []);
    const { stopwatch, observer } = this;
    joinTaps(into, stage, members, scopes, { stopwatch, observer });
  }
}
