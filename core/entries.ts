// ManagedPools: the manager's truth. Merges the layers by rule, keeps run-time changes in the store, judges states.
import type { CancelTimer, Clock } from './clock.ts';
import { WeldrError } from './errors.ts';
import type { Layer, Pool, PoolChange, Upstream, UpstreamRecord, UpstreamState } from './pool.ts';
import { Pools } from './pool.ts';
import type { ServerDefinition } from './server-definition.ts';
import type { PoolStore, StoreChange, StoredEntry, StoredPools } from './store.ts';

/** The most servers that all pools together may hold. */
export const maxServers = 50_000;

/** What a health checker last saw, for the admin API: plain JSON. */
export interface HealthReport {
  readonly status: 'unknown' | 'passing' | 'failing';
  /** When, ms since the epoch; 0: never. */
  readonly checkedAt: number;
  /** Of the last check, such as `200` or `connect ECONNREFUSED`. */
  readonly detail: string;
  readonly consecutiveFailures: number;
  readonly consecutivePasses: number;
}

/** One server with all that the manager knows of it. */
export interface PoolEntry {
  readonly upstream: Upstream;
  readonly server: ServerDefinition;
  readonly layer: Layer;
  readonly health: HealthReport | undefined;
  /** Who says that it is unwell, and why: names of plugins, see {@link ManagedPools.judge}. */
  readonly complaints: ReadonlyMap<string, string>;
}

/** The entry as kept here. */
interface Entry extends PoolEntry {
  server: ServerDefinition;
  layer: Layer;
  health: HealthReport | undefined;
  readonly complaints: Map<string, string>;
  /** Removed, but still finishing what it has. */
  leaving: boolean;
  /** Workers that still have requests on it; undefined while it is not draining. */
  busyWorkers: Set<number> | undefined;
  readonly drainWaiters: (() => void)[];
  cancelDrain: CancelTimer | undefined;
  cancelExpiry: CancelTimer | undefined;
}

/** What ManagedPools needs from the process around it. */
export interface ManagedPoolsOptions {
  readonly clock: Clock;
  /** The longest that a removed server is waited for, ms. */
  readonly drainTimeout: number;
  /** The workers that run now: a drain waits for their word. */
  workers(): Iterable<number>;
}

/** Follows what ManagedPools does. */
export interface ManagedPoolsObserver {
  /** Changes to send to the workers, `revision` counting the batches. */
  changes?(changes: readonly PoolChange[], revision: number): void;
  /** An upstream is new or its record differs from `before`. */
  upstreamChanged?(upstream: Upstream, before: UpstreamRecord | undefined): void;
  /** A server's definition was set: by config, API or cluster. */
  defined?(entry: PoolEntry): void;
  removed?(upstream: Upstream): void;
  /** A run-time setting was set; undefined: it fell back to the config's. */
  setting?(name: string, value: unknown): void;
}

const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** All pools of this Weldr, and the means to change them. */
export class ManagedPools {
  readonly pools = new Pools();
  /** Counts the batches of changes that were made. */
  revision = 0;
  private readonly options: ManagedPoolsOptions;
  private readonly entries = new Map<string, Entry>();
  private readonly configured = new Map<string, { pool: string; server: ServerDefinition }>();
  private readonly stored = new Map<string, StoredEntry>();
  private readonly settings = new Map<string, unknown>();
  private readonly observers = new Set<ManagedPoolsObserver>();
  private readonly writing = new Map<string, Promise<unknown>>();
  private store: PoolStore | undefined;
  /** A store was let go of and the next one is not there yet: what was acknowledged now would be lost. */
  private betweenStores = false;
  private started = false;

  constructor(options: ManagedPoolsOptions) {
    this.options = options;
  }

  get(pool: string, id: string): PoolEntry | undefined {
    return this.entries.get(keyOf(pool, id));
  }

  /** The servers of a pool, those that drain before they go included. */
  *list(pool: string): Generator<PoolEntry> {
    for (const upstream of this.pools.get(pool) ?? []) {
      const entry = this.entries.get(keyOf(pool, upstream.id));
      if (entry !== undefined) yield entry;
    }
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.store?.stale ?? false;
  }

  observe(observer: ManagedPoolsObserver): () => void {
    this.observers.add(observer);
    return () => this.observers.delete(observer);
  }

  /** Everything that run-time changes left in the store, for export. */
  exportStored(): StoredPools {
    return {
      entries: [...this.stored.values()],
      settings: [...this.settings].map(([name, value]) => ({ name, value })),
    };
  }

  /** All upstreams as changes from nothing: what a new worker gets first. */
  snapshot(): PoolChange[] {
    const changes: PoolChange[] = [];
    for (const pool of this.pools) {
      for (const upstream of pool) changes.push({ op: 'set', pool: pool.name, upstream: upstream.record });
    }
    return changes;
  }

  // --- from the config and the store ---------------------------------------------------------------------------

  /** Takes the config's servers, at the start and at each reload; merges them with what the store holds. */
  setConfig(pools: Readonly<Record<string, readonly ServerDefinition[]>>): void {
    const before = [...this.configured.values()];
    this.configured.clear();
    for (const [pool, servers] of Object.entries(pools)) {
      this.pools.ensure(pool);
      for (const server of servers) this.configured.set(keyOf(pool, server.url), { pool, server });
    }
    const touched = new Map<string, { pool: string; id: string }>();
    for (const { pool, server } of [...before, ...this.configured.values()]) {
      touched.set(keyOf(pool, server.url), { pool, id: server.url });
    }
    for (const { pool, id } of touched.values()) this.merge(pool, id);
    this.started = true;
    this.betweenStores = false;
  }

  /**
   * Loads a store and makes it the home of changes; those made while there was none are written to it. Throws
   * CONFIG_INVALID when there is one already.
   */
  async useStore(store: PoolStore): Promise<void> {
    if (this.store !== undefined) {
      throw new WeldrError('CONFIG_INVALID', 'two plugins want to store the pool; keep one of them');
    }
    this.store = store;
    const { entries, settings } = await store.load();
    const homeless = this.betweenStores ? { entries: [], settings: [] } : this.exportStored();
    this.betweenStores = false;
    this.replaceStored({ entries, settings });
    store.watch?.(change => this.apply(change));
    for (const entry of homeless.entries) await this.write({ op: 'put', entry });
    for (const setting of homeless.settings) await this.write({ op: 'setting', setting });
  }

  /**
   * Lets go of the store, at a reload; what it held stays in use until the next store is loaded. Changes are refused
   * until then, or until the next {@link setConfig}.
   */
  releaseStore(): void {
    this.betweenStores ||= this.store !== undefined;
    this.store = undefined;
  }

  /** Makes `stored` all that was changed at run time: after a load, or a resync with a cluster. */
  replaceStored(stored: StoredPools): void {
    const stale = new Map(this.stored);
    const staleSettings = new Set(this.settings.keys());
    for (const entry of stored.entries) {
      stale.delete(keyOf(entry.pool, entry.id));
      this.apply({ op: 'put', entry });
    }
    for (const setting of stored.settings) {
      staleSettings.delete(setting.name);
      this.apply({ op: 'setting', setting });
    }
    for (const { pool, id } of stale.values()) this.apply({ op: 'forget', pool, id });
    for (const name of staleSettings) this.apply({ op: 'setting', setting: { name, value: undefined } });
  }

  /** Applies a change that is durable. */
  private apply(change: StoreChange): void {
    if (change.op === 'put') {
      this.stored.set(keyOf(change.entry.pool, change.entry.id), change.entry);
      this.merge(change.entry.pool, change.entry.id);
    } else if (change.op === 'forget') {
      this.stored.delete(keyOf(change.pool, change.id));
      this.merge(change.pool, change.id);
    } else if (change.op === 'setting') {
      const { name, value } = change.setting;
      if (value === undefined || value === null) this.settings.delete(name);
      else this.settings.set(name, value);
      for (const observer of this.observers) observer.setting?.(name, value ?? undefined);
    } else {
      const known = [...this.stored.values()];
      const names = [...this.settings.keys()];
      this.stored.clear();
      this.settings.clear();
      for (const { pool, id } of known) this.merge(pool, id);
      for (const observer of this.observers) for (const name of names) observer.setting?.(name, undefined);
    }
  }

  /** Brings one server to what the layers say of it now: the rule of the layers, in one place. */
  private merge(pool: string, id: string): void {
    const key = keyOf(pool, id);
    const stored = this.stored.get(key);
    const configured = this.configured.get(key)?.server;
    const server = stored?.kind === 'removed' ? undefined : (stored?.server ?? configured);
    if (server === undefined) this.leave(pool, id);
    else this.define(pool, server, stored === undefined ? 'config' : (this.store?.layer ?? 'api'));
  }

  // --- from operators ------------------------------------------------------------------------------------------

  /**
   * Adds a server, or updates the one with its URL; durable when it resolves. `created` tells which.
   * Rejects with STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  async add(pool: string, server: ServerDefinition): Promise<{ entry: PoolEntry; created: boolean }> {
    return await this.register(pool, server.url, () => server);
  }

  /**
   * Like {@link add}, with a definition that is made from the one that is there (undefined: none, or it is leaving)
   * when its turn has come, so that nothing that was set meanwhile is lost. Rejects with what `define` throws, too.
   */
  async register(
    pool: string,
    id: string,
    define: (known: ServerDefinition | undefined) => ServerDefinition,
  ): Promise<{ entry: PoolEntry; created: boolean }> {
    return await this.inTurn(pool, id, async () => {
      const known = this.entries.get(keyOf(pool, id));
      const created = known === undefined || known.leaving;
      const server = define(created ? undefined : known.server);
      if (known === undefined && this.entries.size >= maxServers) {
        throw new WeldrError(
          'LIMIT_REACHED',
          `the pools hold ${maxServers} servers already, the most there may be`,
        );
      }
      await this.write({ op: 'put', entry: { pool, id, kind: 'added', server } });
      return { entry: this.expect(pool, id), created };
    });
  }

  /** Changes a server that is there; durable when it resolves. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT. */
  async update(pool: string, id: string, patch: Partial<Omit<ServerDefinition, 'url'>>): Promise<PoolEntry> {
    return await this.inTurn(pool, id, async () => {
      const known = this.expect(pool, id);
      if (known.leaving) throw notFound(pool, id);
      const server: ServerDefinition = { ...known.server, ...patch };
      await this.write({ op: 'put', entry: { pool, id, kind: 'added', server } });
      return this.expect(pool, id);
    });
  }

  /**
   * Removes a server; durable when it resolves. It gets no new request from then on, and is gone when it has
   * finished what it had, or at once with `force`. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(pool: string, id: string, how: { force: boolean } = { force: false }): Promise<void> {
    await this.inTurn(pool, id, async () => {
      const known = this.expect(pool, id);
      // A tombstone is kept only where some config may list the server; else removals would pile up for ever.
      const listed = this.configured.has(keyOf(pool, id)) || this.store?.layer === 'cluster';
      if (!known.leaving) {
        await this.write(
          listed ? { op: 'put', entry: { pool, id, kind: 'removed' } } : { op: 'forget', pool, id },
        );
      }
      const entry = this.entries.get(keyOf(pool, id));
      if (how.force && entry?.leaving) this.drop(entry);
    });
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry === undefined || entry.busyWorkers === undefined || entry.busyWorkers.size === 0) return;
    await new Promise<void>(resolve => entry.drainWaiters.push(resolve));
  }

  /** Forgets all run-time changes: the config alone decides. */
  async reset(): Promise<void> {
    await this.write({ op: 'reset' });
  }

  /** A run-time setting, or undefined when the config's is in force. */
  setting(name: string): unknown {
    return this.settings.get(name);
  }

  /** Sets a run-time setting for good; undefined: back to the config's. */
  async setSetting(name: string, value: unknown): Promise<void> {
    await this.write({ op: 'setting', setting: { name, value } });
  }

  private async write(change: StoreChange): Promise<void> {
    if (this.betweenStores) {
      throw new WeldrError('STORE_UNAVAILABLE', 'the config is being reloaded; try again in a moment');
    }
    await this.store?.write(change);
    this.apply(change);
  }

  /** Changes of one server happen one after another; those of different servers go on side by side. */
  private async inTurn<T>(pool: string, id: string, change: () => Promise<T>): Promise<T> {
    const key = keyOf(pool, id);
    const before = this.writing.get(key);
    const turn = (before ?? Promise.resolve()).then(change, change);
    this.writing.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.writing.get(key) === turn) this.writing.delete(key);
    }
  }

  // --- from health checkers and workers ------------------------------------------------------------------------

  /**
   * Says that `source` finds a server unwell (`complaint`: why) or well (undefined). It is down while anybody
   * complains. Unknown servers are ignored.
   */
  judge(pool: string, id: string, source: string, complaint: string | undefined): void {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry === undefined || entry.complaints.get(source) === complaint) return;
    if (complaint === undefined) entry.complaints.delete(source);
    else entry.complaints.set(source, complaint);
    this.publish(entry);
  }

  /**
   * Drops the complaints of everybody but `present` (names of plugins), at the end of a reload: a checker that is not
   * in the config any more would never take back what it said.
   */
  retainJudges(present: ReadonlySet<string>): void {
    for (const entry of [...this.entries.values()]) {
      const gone = [...entry.complaints.keys()].filter(source => !present.has(source));
      for (const source of gone) entry.complaints.delete(source);
      if (gone.length === 0) continue;
      entry.health = undefined;
      this.publish(entry);
    }
  }

  /** Keeps what a checker last saw, for `GET /servers`. */
  reportHealth(pool: string, id: string, health: HealthReport): void {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry !== undefined) entry.health = health;
  }

  /** A worker has no request on a draining server any more. */
  workerIdle(worker: number, pool: string, id: string): void {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry?.busyWorkers?.delete(worker) && entry.busyWorkers.size === 0) this.finishDrain(entry);
  }

  /** A worker has ended: nothing waits for its word any more. */
  workerGone(worker: number): void {
    for (const entry of [...this.entries.values()])
      this.workerIdle(worker, entry.upstream.pool, entry.upstream.id);
  }

  // --- one entry -----------------------------------------------------------------------------------------------

  private define(poolName: string, server: ServerDefinition, layer: Layer): void {
    const key = keyOf(poolName, server.url);
    let entry = this.entries.get(key);
    if (entry === undefined) {
      const pool = this.pools.ensure(poolName);
      const upstream = pool.set(this.firstRecord(server, layer));
      entry = {
        upstream,
        server,
        layer,
        health: undefined,
        complaints: new Map(),
        leaving: false,
        busyWorkers: undefined,
        drainWaiters: [],
        cancelDrain: undefined,
        cancelExpiry: undefined,
      };
      this.entries.set(key, entry);
      this.broadcast({ op: 'set', pool: poolName, upstream: upstream.record });
      for (const observer of this.observers) observer.upstreamChanged?.(upstream, undefined);
    }
    entry.server = server;
    entry.layer = layer;
    entry.leaving = false;
    this.scheduleExpiry(entry);
    this.publish(entry);
    for (const observer of this.observers) observer.defined?.(entry);
  }

  private firstRecord(server: ServerDefinition, layer: Layer): UpstreamRecord {
    // At the start everything is new at once: a slow start would only starve the first requests.
    const activeSince = this.started ? this.options.clock.now() : 0;
    return { ...fixedPart(server, layer), state: server.state, reason: reasonOf(server.state), activeSince };
  }

  /** Computes the record of an entry; when it differs, tells the pool, the workers and the observers. */
  private publish(entry: Entry): void {
    const before = entry.upstream.record;
    const [state, reason] = stateOf(entry);
    const activeSince =
      state === 'active' && before.state !== 'active' ? this.options.clock.now() : before.activeSince;
    const record: UpstreamRecord = { ...fixedPart(entry.server, entry.layer), state, reason, activeSince };
    if (JSON.stringify(record) === JSON.stringify(before)) return;
    const pool = this.pools.ensure(entry.upstream.pool);
    pool.set(record);
    // Who is waited for is known before the workers hear of it; what the drain's end tells comes after this.
    const begins = state === 'draining' && before.state !== 'draining';
    if (begins) this.startDrain(entry);
    else if (state !== 'draining' && before.state === 'draining') this.cancelDrain(entry);
    this.broadcast({ op: 'set', pool: pool.name, upstream: record });
    for (const observer of this.observers) observer.upstreamChanged?.(entry.upstream, before);
    if (begins) this.finishIdleDrain(entry);
  }

  private leave(pool: string, id: string): void {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry === undefined || entry.leaving) return;
    entry.leaving = true;
    entry.cancelExpiry?.();
    const wasDraining = entry.upstream.state === 'draining';
    // A drain that was asked for before is over, or goes on under the limit that a removal has.
    if (wasDraining) this.startDrain(entry);
    this.publish(entry);
    this.finishIdleDrain(entry);
  }

  private startDrain(entry: Entry): void {
    entry.cancelDrain?.();
    entry.busyWorkers = new Set(this.options.workers());
    entry.cancelDrain = entry.leaving
      ? this.options.clock.after(this.options.drainTimeout, () => this.finishDrain(entry))
      : undefined;
  }

  /** Ends a drain that has nobody to wait for. */
  private finishIdleDrain(entry: Entry): void {
    const { pool, id } = entry.upstream;
    const gone = this.entries.get(keyOf(pool, id)) !== entry;
    if (!gone && entry.busyWorkers?.size === 0) this.finishDrain(entry);
  }

  private cancelDrain(entry: Entry): void {
    entry.cancelDrain?.();
    entry.cancelDrain = undefined;
    entry.busyWorkers = undefined;
    for (const resolve of entry.drainWaiters.splice(0)) resolve();
  }

  private finishDrain(entry: Entry): void {
    entry.busyWorkers?.clear();
    if (entry.leaving) this.drop(entry);
    else for (const resolve of entry.drainWaiters.splice(0)) resolve();
  }

  private drop(entry: Entry): void {
    const { upstream } = entry;
    this.cancelDrain(entry);
    entry.cancelExpiry?.();
    this.entries.delete(keyOf(upstream.pool, upstream.id));
    this.pools.get(upstream.pool)?.delete(upstream.id);
    this.broadcast({ op: 'delete', pool: upstream.pool, id: upstream.id });
    for (const observer of this.observers) observer.removed?.(upstream);
  }

  private scheduleExpiry(entry: Entry): void {
    entry.cancelExpiry?.();
    entry.cancelExpiry = undefined;
    const { ttl } = entry.server;
    if (ttl === undefined || this.store?.expires) return;
    const { pool, id } = entry.upstream;
    let cancel: CancelTimer;
    const schedule = (ms: number) => {
      cancel = this.options.clock.after(ms, expire);
      entry.cancelExpiry = cancel;
    };
    // A registration that was under way when the time ran out has set another timer by the time of our turn.
    const overdue = () => entry.cancelExpiry === cancel && !entry.leaving;
    const expire = () => {
      this.inTurn(pool, id, async () => {
        if (overdue()) await this.write({ op: 'forget', pool, id });
      }).catch(() => {
        // The store is away: the server is still overdue, so ask again.
        if (overdue()) schedule(1000);
      });
    };
    schedule(ttl);
  }

  private broadcast(change: PoolChange): void {
    this.revision++;
    for (const observer of this.observers) observer.changes?.([change], this.revision);
  }

  private expect(pool: string, id: string): Entry {
    const entry = this.entries.get(keyOf(pool, id));
    if (entry === undefined) throw notFound(pool, id);
    return entry;
  }
}

function notFound(pool: string, id: string): WeldrError {
  return new WeldrError('NOT_FOUND', `there is no server ${id} in pool ${pool}; GET /servers lists them`);
}

function fixedPart(server: ServerDefinition, layer: Layer) {
  return { id: server.url, weight: server.weight, mapHost: server.mapHost, tls: server.tls, layer };
}

function reasonOf(state: UpstreamState): string {
  if (state === 'active') return 'new';
  return `${state} by an operator`;
}

function stateOf(entry: Entry): [UpstreamState, string] {
  if (entry.leaving) return ['draining', 'removed'];
  if (entry.server.state !== 'active') return [entry.server.state, reasonOf(entry.server.state)];
  for (const [source, complaint] of entry.complaints) return ['down', `${source}: ${complaint}`];
  const { upstream } = entry;
  if (upstream.state === 'active') return ['active', upstream.record.reason];
  return ['active', upstream.state === 'down' ? 'healthy again' : 'active by an operator'];
}

/** Names a pool for those who got it as a parameter. Throws NOT_FOUND. */
export function expectPool(pools: ManagedPools, name: string): Pool {
  const pool = pools.pools.get(name);
  if (pool === undefined)
    throw new WeldrError('NOT_FOUND', `there is no pool ${name}; GET /pools lists them`);
  return pool;
}
