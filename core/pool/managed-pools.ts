// ManagedPools: the manager's truth. Merges the layers by rule, keeps run-time changes in the store, judges states.
// Plugins get no more of it than ManagerPools and OperatorPools.

import { WeldrError } from '../errors.ts';
import { changesBetween } from '../state/effective-change.ts';
import type { Base, Entity } from '../state/entity.ts';
import { type ListedNames, listedNames, sameList } from '../state/listed-names.ts';
import type { Row } from '../state/row.ts';
import { RunTimeSettings } from '../state/settings.ts';
import { type AdmittedWrite, State, type Undo, type Written } from '../state/state.ts';
import type { StateStore } from '../state/store.ts';
import type { Write } from '../state/write.ts';
import type { CancelTimer } from '../time/clock.ts';
import { DiscoveredLayer, type FoundHeritage } from './discovered-layer.ts';
import type { DiscoveredServers } from './discovery-source.ts';
import type { Layer, Pool } from './pool.ts';
import type { PoolChange } from './pool-change.ts';
import { type HealthReport, keyOf, type PoolEntry } from './pool-entry.ts';
import {
  type KnownHealth,
  type ManagedPoolsObserver,
  type ManagedPoolsOptions,
  type Member,
  PoolMembers,
} from './pool-members.ts';
import {
  noPoolSettings,
  type PoolSettings,
  poolKind,
  poolKindName,
  poolSettingsOf,
} from './pool-settings.ts';
import type { Pools } from './pools.ts';
import type { ServerDefinition } from './server-definition.ts';
import { definitionOf, partsOfServerKey, serverKey, serverKind, serverKindName } from './server-kind.ts';

/** The most servers that all pools together may hold. */
export const maxServers = 50_000;
/** The most pools that there may be, once plugins make them. */
export const maxPools = 10_000;

/** What a process knows that is in no config and maybe in no store: plain JSON. */
export interface Heritage {
  readonly rows: readonly Row[];
  readonly health: readonly KnownHealth[];
  /** Not told by older versions. */
  readonly found?: readonly FoundHeritage[];
}

/** All pools of this Weldr, and the means to change them. */
export class ManagedPools {
  /** What plugins find. */
  readonly discovered: DiscoveredLayer;
  /** What operators said, and what the layers make of it. */
  readonly state: State;
  readonly settings: RunTimeSettings;
  /** What leads to a pool beside fallbacks, for people; set by who knows. */
  leads: (pool: string) => readonly string[] = () => [];
  private readonly options: ManagedPoolsOptions;
  private readonly members: PoolMembers;
  /** Those of which any layer says something, and those that an operator removed. */
  private readonly knownPools = new Set<string>();
  private readonly removedPools = new Set<string>();
  private readonly configuredPools = new Map<string, PoolSettings>();
  private readonly configured = new Map<string, { pool: string; server: ServerDefinition }>();

  constructor(options: ManagedPoolsOptions) {
    this.options = options;
    this.members = new PoolMembers(options);
    this.discovered = new DiscoveredLayer({
      admit: (pool, servers, layer) => this.admit(pool, servers, layer),
      changed: (pool, id, by) => {
        if (this.state.row(poolKindName, pool) !== undefined) this.mergePool(pool, by);
        this.merge(pool, id, by);
      },
    });
    this.state = new State({
      clock: options.clock,
      report: (row, problem) => options.report?.(row, problem),
      settled: async () => await options.settled?.(),
    });
    this.state.register({
      kind: serverKind,
      base: key => {
        const { pool, id } = partsOfServerKey(key);
        return this.baseOf(pool, id);
      },
      changed: (key, { by }) => {
        const { pool, id } = partsOfServerKey(key);
        this.merge(pool, id, by);
      },
      admit: (key, after) => {
        const { pool, id } = partsOfServerKey(key);
        if (after !== undefined && this.isRemoved(pool)) {
          throw new WeldrError('NOT_FOUND', `the pool ${pool} was removed; add it again first`);
        }
        const isNew = after !== undefined && this.members.get(pool, id) === undefined;
        if (isNew && this.members.size >= maxServers) throw tooManyServers();
      },
    });
    this.state.register({
      kind: poolKind,
      base: name => this.poolBase(name),
      changed: (name, { by }) => this.mergePool(name, by),
      admit: (name, after, write) => this.admitPool(name, after, write),
      prepare: (name, after) => this.preparePool(name, after),
    });
    this.settings = new RunTimeSettings(this.state, change => {
      if (this.members.started) options.tell?.(change);
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

  // --- from the config and the store ---------------------------------------------------------------------------

  /** Takes the config's servers, at the start and at each reload; merges them with what the store holds. */
  setConfig(
    pools: Readonly<Record<string, readonly ServerDefinition[]>>,
    settings: Readonly<Record<string, PoolSettings>> = {},
  ): void {
    const poolsBefore = [...this.configuredPools.keys()];
    this.configuredPools.clear();
    for (const name of Object.keys(pools)) this.configuredPools.set(name, settings[name] ?? noPoolSettings);
    for (const name of Object.keys(settings))
      this.configuredPools.set(name, settings[name] ?? noPoolSettings);
    for (const name of new Set([...poolsBefore, ...this.configuredPools.keys()])) {
      this.mergePool(name, 'the config');
    }
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
    for (const { pool, id } of touched.values()) this.merge(pool, id, 'the config');
    this.members.started = true;
    this.state.goOn();
  }

  /** Makes a store the home of what operators say; see {@link State.use}. */
  async useStore(store: StateStore): Promise<void> {
    await this.state.use(store);
  }

  /** All that only this process knows: what operators said, where no store has it, what checks and sources found. */
  get heritage(): Heritage {
    return {
      rows: [...this.state.all],
      health: [...this.members.knownHealth()],
      found: [...this.discovered.heritage()],
    };
  }

  /** Takes over what another process of this Weldr knew, before the start. */
  inherit({ rows, health, found = [] }: Heritage): void {
    this.members.inherit(health);
    this.state.inherit(rows);
    this.discovered.inherit(found);
  }

  /** Lets go of the store, at a reload; see {@link State.release}. */
  releaseStore(): void {
    this.state.release();
  }

  /**
   * The start or the reload is over, and `instances` of plugins are there, in the order of the config. The verdicts
   * and the sources of others end: a checker that is not in the config any more would never take back what it said.
   */
  retain(instances: readonly string[]): void {
    this.members.retainVerdicts(new Set(instances));
    this.discovered.retain(instances);
  }

  /** An instance of a plugin has ended, and no other takes its place: what it said of servers, and found, goes. */
  forgetInstance(instance: string): void {
    this.members.dropVerdicts(instance);
    this.discovered.forget(instance);
  }

  /** Who follows the pools is told of a pool's servers again, as another plugin may be in charge of them. */
  redefine(pool: string): void {
    this.members.redefine(pool);
  }

  /** Brings one server to what the layers say of it now. */
  private merge(pool: string, id: string, by: string): void {
    // A pool that an operator removed has no servers, whoever says so.
    const entity = this.isRemoved(pool) ? undefined : this.state.entity(serverKindName, serverKey(pool, id));
    const known = this.members.get(pool, id);
    const before = known?.leaving === false ? known.server : undefined;
    if (entity === undefined) {
      this.members.leave(pool, id);
    } else {
      const server = definitionOf(entity.value);
      const { layer } = entity;
      const isSame = before === server && known?.layer === layer;
      const member =
        isSame && known !== undefined
          ? known
          : this.members.define(pool, server, layer, stateAuthorOf(entity));
      this.scheduleExpiry(member, entity);
    }
    const { tell } = this.options;
    if (tell === undefined || !this.members.started) return;
    const what = `server ${id} in pool ${pool}`;
    for (const change of changesBetween(what, { before, after: entity?.value }, serverKind.secret, { by })) {
      tell(change);
    }
  }

  /** Did an operator remove this pool? */
  private isRemoved(pool: string): boolean {
    return this.state.row(poolKindName, pool)?.op === 'remove';
  }

  /** The names of the pools that there are, and of those whose last servers drain; others that nobody names are none. */
  get poolNames(): string[] {
    return Array.from(this.pools, ({ name }) => name).filter(name => this.isShown(name));
  }

  /** Is it there, or do servers of it still drain? */
  isShown(name: string): boolean {
    return this.hasPool(name) || (!this.isRemoved(name) && (this.pools.get(name)?.size ?? 0) > 0);
  }

  /** Is it there, for those that lead to it? A pool which only its servers make is over when the last of them has to go. */
  hasPool(name: string): boolean {
    if (this.isRemoved(name)) return false;
    if (this.state.entity(poolKindName, name) !== undefined) return true;
    for (const { leaving } of this.list(name)) if (!leaving) return true;
    return false;
  }

  private poolBase(name: string): Base | undefined {
    const configured = this.configuredPools.get(name);
    if (configured !== undefined) return { value: configured, layer: 'config' };
    if (name === 'default') return { value: noPoolSettings, layer: 'config' };
    const layer = this.discovered.layerOf(name);
    return layer === undefined ? undefined : { value: noPoolSettings, layer };
  }

  /** Brings a pool to what the layers say of it now, and its servers, as they may come and go with it. */
  private mergePool(name: string, by: string): void {
    const entity = this.state.entity(poolKindName, name);
    const known = this.pools.get(name);
    const before = known === undefined || !this.knownPools.has(name) ? undefined : known.settings;
    if (entity === undefined) this.knownPools.delete(name);
    else this.knownPools.add(name);
    this.members.setPool(
      name,
      entity === undefined ? noPoolSettings : poolSettingsOf(entity.value),
      this.listOf(name, entity),
    );
    const { tell } = this.options;
    if (tell !== undefined && this.members.started) {
      const changes = { before, after: entity?.value };
      for (const change of changesBetween(`pool ${name}`, changes, poolKind.secret, { by })) tell(change);
    }
    const isThere = !this.isRemoved(name);
    if (isThere === (this.removedPools.has(name) === false)) return;
    if (isThere) this.removedPools.delete(name);
    else this.removedPools.add(name);
    for (const id of this.idsOf(name)) this.merge(name, id, by);
  }

  /** A pool that was removed has no plugins but those that the config has made in place. */
  private listOf(name: string, entity: Entity | undefined): ListedNames {
    return listedNames(entity, this.poolBase(name) !== undefined);
  }

  /** Has a list of plugins that is new for a pool start, before anything of it is written. */
  private async preparePool(name: string, after: Entity | undefined): Promise<Undo | undefined> {
    const list = this.listOf(name, after);
    if (after === undefined || sameList(list, this.members.listOf(name))) return undefined;
    return await this.options.plugins?.prepare(name, list);
  }

  /** What of the plugins of a pool is not as it is listed, a sentence each. */
  pluginProblems(name: string): readonly string[] {
    return this.options.plugins?.problems(name) ?? [];
  }

  /** The plugins which the config has made in place for a pool. */
  pluginsInPlace(name: string): readonly string[] {
    return this.options.plugins?.madeInPlace(name) ?? [];
  }

  /** All servers of a pool that any layer names. */
  private idsOf(name: string): Set<string> {
    const ids = new Set<string>();
    for (const { pool, server } of this.configured.values()) if (pool === name) ids.add(server.url);
    for (const id of this.discovered.idsOf(name)) ids.add(id);
    for (const { key } of this.rowsOf(name)) ids.add(partsOfServerKey(key).id);
    for (const { id } of this.pools.get(name) ?? []) ids.add(id);
    return ids;
  }

  /** What operators said of the servers of a pool. No key is taken apart: there may be many of other pools. */
  private *rowsOf(name: string): Generator<Row> {
    const start = serverKey(name, '');
    for (const row of this.state.all) if (row.kind === serverKindName && row.key.startsWith(start)) yield row;
  }

  /** Throws CONFLICT, INPUT_INVALID or LIMIT_REACHED for what cannot be. */
  private admitPool(name: string, after: Entity | undefined, { force }: AdmittedWrite): void {
    if (after === undefined) {
      this.expectUnneeded(name, force ? 'forced' : 'asked');
      return;
    }
    this.expectRoomForPool(name);
    const list = this.listOf(name, after);
    // What was taken over with a problem stays until it is changed.
    if (!sameList(list, this.members.listOf(name))) this.options.plugins?.expect(name, list);
    const seen = [name];
    for (let next = poolSettingsOf(after.value).fallback; next !== undefined; ) {
      const field = { field: 'fallback' };
      if (!this.hasPool(next)) {
        throw new WeldrError('INPUT_INVALID', `fallback: there is no pool ${JSON.stringify(next)}`, field);
      }
      if (seen.includes(next)) {
        const circle = [...seen, next].join(' -> ');
        throw new WeldrError('INPUT_INVALID', `fallback: goes round in a circle: ${circle}`, field);
      }
      seen.push(next);
      next = this.pools.get(next)?.fallback;
    }
  }

  /** Throws CONFLICT for a pool that cannot be done without. */
  private expectUnneeded(name: string, how: 'asked' | 'forced'): void {
    if (name === 'default') throw new WeldrError('CONFLICT', 'the pool default is always there');
    if (how === 'asked') this.expectUnnamed(name);
    let added = 0;
    for (const { op } of this.rowsOf(name)) if (op === 'define') added++;
    if (added === 0) return;
    const what = added === 1 ? 'a server that was' : `${added} servers that were`;
    throw new WeldrError('CONFLICT', `the pool ${name} has ${what} added at run time; remove them first`);
  }

  /** Throws CONFLICT for a pool that others lead to. */
  private expectUnnamed(name: string): void {
    const forced = 'or remove it with ?force, and requests that go there are answered with 503';
    for (const pool of this.pools) {
      if (this.fallbackOf(pool.name) !== name) continue;
      throw new WeldrError(
        'CONFLICT',
        `the pool ${pool.name} has ${name} as its fallback; change that first, ${forced}`,
      );
    }
    const leading = this.leads(name);
    if (leading.length === 0) return;
    throw new WeldrError(
      'CONFLICT',
      `the pool ${name} is where ${leading.join(', ')} ${leading.length === 1 ? 'leads' : 'lead'}; change that first, ${forced}`,
    );
  }

  /** With changes made that are looked at. */
  private fallbackOf(name: string): string | undefined {
    const row = this.state.row(poolKindName, name);
    // Of most pools nothing has to be merged to know it.
    if (row === undefined) return this.configuredPools.get(name)?.fallback;
    if (row.op === 'define' && row.value?.['fallback'] === undefined) return undefined;
    const entity = this.state.entity(poolKindName, name);
    return entity === undefined ? undefined : poolSettingsOf(entity.value).fallback;
  }

  /** What is below the operator's word; undefined: nothing. */
  private baseOf(pool: string, id: string): (Base & { readonly layer: Layer }) | undefined {
    const configured = this.configured.get(keyOf(pool, id));
    if (configured !== undefined) return { value: configured.server, layer: 'config' };
    const found = this.discovered.find(pool, id);
    return found === undefined ? undefined : { value: found.server, layer: found.layer };
  }

  /** Throws LIMIT_REACHED when one pool more would be too many. */
  private expectRoomForPool(name: string): void {
    // Pools that are gone are still known by name, as routes may lead there when they come back: they take no room.
    const isThere = (pool: Pool): boolean =>
      pool.size > 0 || pool.name === 'default' || this.knownPools.has(pool.name);
    const known = this.pools.get(name);
    if (this.pools.size < maxPools || (known !== undefined && isThere(known))) return;
    let there = 0;
    for (const pool of this.pools) if (isThere(pool)) there++;
    if (there < maxPools) return;
    throw new WeldrError('LIMIT_REACHED', `there are ${maxPools} pools already, the most there may be`);
  }

  /** Makes room for what a source found, and the pool. Throws LIMIT_REACHED, and then nothing has changed. */
  private admit(poolName: string, servers: DiscoveredServers, layer: Layer): void {
    if (this.members.size + servers.size > maxServers) this.expectRoom(poolName, servers, layer);
    this.expectRoomForPool(poolName);
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

  /** Makes changes, all or none, durable when it resolves; see {@link State.write}. */
  async write(writes: readonly Write[], by: string): Promise<readonly Written[]> {
    return await this.state.write(writes, by);
  }

  /**
   * Has a server be there with this definition; durable when it resolves. `created` tells whether it was not.
   * Rejects with STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  async add(
    pool: string,
    server: ServerDefinition,
    by = 'an operator',
  ): Promise<{ entry: PoolEntry; created: boolean }> {
    const { before, entry } = await this.writeServer(pool, server.url, { op: 'put', value: server }, by);
    return { entry: expectEntry(entry, pool, server.url), created: before === undefined };
  }

  /** Changes a server that is there; durable when it resolves. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT. */
  async update(
    pool: string,
    id: string,
    patch: Partial<Omit<ServerDefinition, 'url'>>,
    by = 'an operator',
  ): Promise<PoolEntry> {
    const { entry } = await this.writeServer(pool, id, { op: 'patch', value: patch }, by);
    return expectEntry(entry, pool, id);
  }

  /**
   * Removes a server; durable when it resolves. It gets no new request from then on, and is gone when it has
   * finished what it had, or at once with `force`. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(
    pool: string,
    id: string,
    how: { force: boolean } = { force: false },
    by = 'an operator',
  ): Promise<void> {
    try {
      await this.writeServer(pool, id, { op: 'remove' }, by);
    } catch (thrown) {
      // One that leaves was removed before.
      const isLeaving = this.members.get(pool, id)?.leaving === true;
      if (!isLeaving || !(thrown instanceof WeldrError) || thrown.code !== 'NOT_FOUND') throw thrown;
    }
    if (how.force) this.cut(pool, id);
  }

  /** Takes a server that was removed out at once, without waiting for its requests. */
  cut(pool: string, id: string): void {
    const entry = this.members.get(pool, id);
    if (entry?.leaving) this.members.drop(entry);
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.members.get(pool, id)?.drain.ended();
  }

  private async writeServer(
    pool: string,
    id: string,
    write: { readonly op: 'put' | 'patch'; readonly value: unknown } | { readonly op: 'remove' },
    by: string,
  ): Promise<{ readonly before: Entity | undefined; readonly entry: Member | undefined }> {
    // It may be gone again before the workers have heard of it.
    let entry: Member | undefined;
    const writes = [{ kind: serverKindName, key: serverKey(pool, id), ...write }];
    const [written] = await this.state.write(writes, by, () => {
      entry = this.members.get(pool, id);
    });
    return { before: written?.before, entry };
  }

  /** Sees to the end of a registration that is not repeated within its time. */
  private scheduleExpiry(entry: Member, { row, value }: Entity): void {
    entry.cancelExpiry?.();
    entry.cancelExpiry = undefined;
    const ttl = row === undefined ? undefined : serverKind.lifetime(value);
    if (ttl === undefined || this.state.expires) return;
    const { pool, id } = entry.upstream;
    let cancel: CancelTimer;
    const schedule = (ms: number) => {
      cancel = this.options.clock.after(ms, expire);
      entry.cancelExpiry = cancel;
    };
    // A registration that was under way when the time ran out has set another timer by the time of our turn.
    const overdue = () => entry.cancelExpiry === cancel && !entry.leaving;
    const expire = () => {
      this.state.expire(serverKindName, serverKey(pool, id), overdue).catch(() => {
        // The store is away: the server is still overdue, so ask again.
        if (overdue()) schedule(1000);
      });
    };
    schedule(ttl);
  }
}

function expectEntry(entry: Member | undefined, pool: string, id: string): Member {
  if (entry === undefined) throw notFound(pool, id);
  return entry;
}

function notFound(pool: string, id: string): WeldrError {
  return new WeldrError('NOT_FOUND', `there is no server ${id} in pool ${pool}; GET /servers lists them`);
}

/** Who decides on the state that is wanted of a server, in a sentence; a config is an operator's, too. */
function stateAuthorOf({ layer, row }: Entity): string {
  const isOperators = !layer.startsWith('discovered:') || Object.hasOwn(row?.value ?? {}, 'state');
  return isOperators ? 'an operator' : layer;
}

function tooManyServers(): WeldrError {
  return new WeldrError(
    'LIMIT_REACHED',
    `the pools hold ${maxServers} servers already, the most there may be`,
  );
}
