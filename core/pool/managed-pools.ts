// ManagedPools: the manager's truth. Merges the layers by rule, keeps run-time changes in the store, judges states.
// Plugins get no more of it than ManagerPools and OperatorPools.
import type { CancelTimer } from '../clock.ts';
import { WeldrError } from '../errors.ts';
import { DiscoveredLayer } from './discovered-layer.ts';
import type { DiscoveredServers } from './discovery-source.ts';
import type { Layer, PoolChange, Pools } from './pool.ts';
import { type HealthReport, keyOf, type PoolEntry } from './pool-entry.ts';
import {
  type ManagedPoolsObserver,
  type ManagedPoolsOptions,
  type Member,
  PoolMembers,
} from './pool-members.ts';
import { RunTimeLayer } from './run-time-layer.ts';
import type { ServerDefinition } from './server-definition.ts';
import type { PoolStore, StoredPools } from './store.ts';

/** The most servers that all pools together may hold. */
export const maxServers = 50_000;
/** The most pools that there may be, once plugins make them. */
const maxPools = 10_000;

/** All pools of this Weldr, and the means to change them. */
export class ManagedPools {
  /** What plugins find. */
  readonly discovered: DiscoveredLayer;
  private readonly options: ManagedPoolsOptions;
  private readonly members: PoolMembers;
  private readonly configured = new Map<string, { pool: string; server: ServerDefinition }>();
  private readonly runTime: RunTimeLayer;
  private readonly writing = new Map<string, Promise<unknown>>();

  constructor(options: ManagedPoolsOptions) {
    this.options = options;
    this.members = new PoolMembers(options);
    this.discovered = new DiscoveredLayer({
      admit: (pool, servers, layer) => this.admit(pool, servers, layer),
      changed: (pool, id) => this.merge(pool, id),
    });
    this.runTime = new RunTimeLayer({
      changed: (pool, id) => this.merge(pool, id),
      setting: (name, value) => this.members.tellSetting(name, value),
    });
  }

  get pools(): Pools {
    return this.members.pools;
  }

  /** Counts the batches of changes that were made. */
  get revision(): number {
    return this.members.revision;
  }

  get(pool: string, id: string): PoolEntry | undefined {
    return this.members.get(pool, id);
  }

  /** The servers of a pool, those that drain before they go included. */
  list(pool: string): Iterable<PoolEntry> {
    return this.members.list(pool);
  }

  observe(observer: ManagedPoolsObserver): () => void {
    return this.members.observe(observer);
  }

  /** All upstreams as changes from nothing: what a new worker gets first. */
  snapshot(): PoolChange[] {
    return this.members.snapshot();
  }

  /** Says that an instance of a plugin finds a server unwell (`complaint`: why) or well (undefined). */
  verdict(pool: string, id: string, instance: string, complaint: string | undefined): void {
    this.members.verdict(pool, id, instance, complaint);
  }

  /** Keeps what the check of an instance of a plugin last saw, for `GET /servers`. */
  reportHealth(pool: string, id: string, instance: string, health: HealthReport): void {
    this.members.reportHealth(pool, id, instance, health);
  }

  /** A worker has no request on a draining server any more. */
  workerIdle(worker: number, pool: string, id: string): void {
    this.members.workerIdle(worker, pool, id);
  }

  /** A worker has ended: nothing waits for its word any more. */
  workerGone(worker: number): void {
    this.members.workerGone(worker);
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.runTime.stale;
  }

  /** Everything that run-time changes left in the store, for export. */
  exportStored(): StoredPools {
    return this.runTime.export();
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
    this.members.started = true;
    this.runTime.goOn();
  }

  /**
   * Loads a store and makes it the home of changes; those made while there was none are written to it. Throws
   * CONFIG_INVALID when there is one already.
   */
  async useStore(store: PoolStore): Promise<void> {
    await this.runTime.use(store);
  }

  /**
   * Lets go of the store, at a reload; what it held stays in use until the next store is loaded. Changes are refused
   * until then, or until the next {@link setConfig}.
   */
  releaseStore(): void {
    this.runTime.release();
  }

  /**
   * The start or the reload is over, and `instances` of plugins are there, in the order of the config. The verdicts
   * and the sources of others end: a checker that is not in the config any more would never take back what it said.
   */
  retain(instances: readonly string[]): void {
    this.members.retainVerdicts(new Set(instances));
    this.discovered.retain(instances);
  }

  /** Brings one server to what the layers say of it now: the rule of the layers, in one place. */
  private merge(pool: string, id: string): void {
    const stored = this.runTime.get(pool, id);
    if (stored?.kind === 'added') {
      this.define(pool, stored.server, this.runTime.name);
      return;
    }
    const base = stored === undefined ? this.baseOf(pool, id) : undefined;
    if (base === undefined) {
      this.members.leave(pool, id);
      return;
    }
    const entry = this.members.get(pool, id);
    // What a layer below says of it has no part in what is in force.
    const same = entry?.server === base.server && entry.layer === base.layer && !entry.leaving;
    if (!same) this.define(pool, base.server, base.layer);
  }

  /** What is below the operator's word; undefined: nothing. */
  private baseOf(pool: string, id: string): { server: ServerDefinition; layer: Layer } | undefined {
    const configured = this.configured.get(keyOf(pool, id));
    if (configured !== undefined) return { server: configured.server, layer: 'config' };
    return this.discovered.find(pool, id);
  }

  /** Makes room for what a source found, and the pool. Throws LIMIT_REACHED, and then nothing has changed. */
  private admit(poolName: string, servers: DiscoveredServers, layer: Layer): void {
    if (this.members.size + servers.size > maxServers) this.expectRoom(poolName, servers, layer);
    if (this.pools.get(poolName) === undefined && this.pools.size >= maxPools) {
      throw new WeldrError('LIMIT_REACHED', `there are ${maxPools} pools already, the most there may be`);
    }
    this.pools.ensure(poolName);
  }

  private expectRoom(poolName: string, servers: DiscoveredServers, layer: Layer): void {
    let others = 0;
    let leaving = 0;
    for (const entry of this.members) {
      const { pool, id } = entry.upstream;
      if (pool === poolName && servers.has(id)) continue;
      if (entry.leaving || (pool === poolName && entry.layer === layer)) leaving++;
      else others++;
    }
    // What drains is on its way out: else a list of many could not be exchanged for another.
    if (servers.size + others > maxServers || leaving > maxServers) throw tooManyServers();
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
      const known = this.members.get(pool, id);
      const created = known === undefined || known.leaving;
      const server = define(created ? undefined : known.server);
      if (known === undefined && this.members.size >= maxServers) {
        throw tooManyServers();
      }
      await this.runTime.write({ op: 'put', entry: { pool, id, kind: 'added', server } });
      return { entry: this.expect(pool, id), created };
    });
  }

  /** Changes a server that is there; durable when it resolves. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT. */
  async update(pool: string, id: string, patch: Partial<Omit<ServerDefinition, 'url'>>): Promise<PoolEntry> {
    return await this.inTurn(pool, id, async () => {
      const known = this.expect(pool, id);
      if (known.leaving) throw notFound(pool, id);
      const server: ServerDefinition = { ...known.server, ...patch };
      await this.runTime.write({ op: 'put', entry: { pool, id, kind: 'added', server } });
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
      // A tombstone is kept only where there is what it hides, or a cluster in which there may be; else removals
      // would pile up for ever.
      const listed = this.baseOf(pool, id) !== undefined || this.runTime.name === 'cluster';
      if (!known.leaving) {
        await this.runTime.write(
          listed ? { op: 'put', entry: { pool, id, kind: 'removed' } } : { op: 'forget', pool, id },
        );
      }
      const entry = this.members.get(pool, id);
      if (how.force && entry?.leaving) this.members.drop(entry);
    });
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.members.get(pool, id)?.drain.ended();
  }

  /** Forgets all run-time changes: the config alone decides. */
  async reset(): Promise<void> {
    await this.runTime.write({ op: 'reset' });
  }

  /** A run-time setting, or undefined when the config's is in force. */
  setting(name: string): unknown {
    return this.runTime.setting(name);
  }

  /** Sets a run-time setting for good; undefined: back to the config's. */
  async setSetting(name: string, value: unknown): Promise<void> {
    await this.runTime.write({ op: 'setting', setting: { name, value } });
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

  private define(pool: string, server: ServerDefinition, layer: Layer): void {
    this.scheduleExpiry(this.members.define(pool, server, layer));
  }

  private scheduleExpiry(entry: Member): void {
    entry.cancelExpiry?.();
    entry.cancelExpiry = undefined;
    const { ttl } = entry.server;
    if (ttl === undefined || this.runTime.expires) return;
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
        if (overdue()) await this.runTime.write({ op: 'forget', pool, id });
      }).catch(() => {
        // The store is away: the server is still overdue, so ask again.
        if (overdue()) schedule(1000);
      });
    };
    schedule(ttl);
  }

  private expect(pool: string, id: string): Member {
    const entry = this.members.get(pool, id);
    if (entry === undefined) throw notFound(pool, id);
    return entry;
  }
}

function notFound(pool: string, id: string): WeldrError {
  return new WeldrError('NOT_FOUND', `there is no server ${id} in pool ${pool}; GET /servers lists them`);
}

function tooManyServers(): WeldrError {
  return new WeldrError(
    'LIMIT_REACHED',
    `the pools hold ${maxServers} servers already, the most there may be`,
  );
}
