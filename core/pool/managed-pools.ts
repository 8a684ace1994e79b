// ManagedPools: the manager's truth. Merges the layers by rule, keeps run-time changes in the store, judges states.
// Plugins get no more of it than ManagerPools and OperatorPools.

import { WeldrError } from '../errors.ts';
import { changesBetween } from '../state/effective-change.ts';
import type { Base, Entity } from '../state/entity.ts';
import type { Row } from '../state/row.ts';
import { RunTimeSettings } from '../state/settings.ts';
import { State, type Written } from '../state/state.ts';
import type { StateStore } from '../state/store.ts';
import type { Write } from '../state/write.ts';
import { ConfiguredLayer } from './configured-layer.ts';
import { DiscoveredLayer, type FoundHeritage } from './discovered-layer.ts';
import { KnownPools } from './known-pools.ts';
import type { Layer, Pool } from './pool.ts';
import type { PoolChange } from './pool-change.ts';
import type { HealthReport, PoolEntry } from './pool-entry.ts';
import { PoolLimits } from './pool-limits.ts';
import {
  type KnownHealth,
  type ManagedPoolsObserver,
  type ManagedPoolsOptions,
  PoolMembers,
} from './pool-members.ts';
import { PoolRules } from './pool-rules.ts';
import {
  noPoolSettings,
  type PoolSettings,
  poolKind,
  poolKindName,
  poolSettingsOf,
} from './pool-settings.ts';
import type { Pools } from './pools.ts';
import type { ServerDefinition } from './server-definition.ts';
import { ServerExpiry } from './server-expiry.ts';
import { definitionOf, partsOfServerKey, serverKey, serverKind, serverKindName } from './server-kind.ts';
import { type AddedServer, type ServerPatch, ServerWrites } from './server-writes.ts';

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
  private readonly options: ManagedPoolsOptions;
  private readonly members: PoolMembers;
  private readonly configured = new ConfiguredLayer();
  private readonly known: KnownPools;
  private readonly limits: PoolLimits;
  private readonly rules: PoolRules;
  private readonly expiry: ServerExpiry;
  private readonly writes: ServerWrites;
  /** The removed pools whose servers have been taken out. */
  private readonly emptied = new Set<string>();

  constructor(options: ManagedPoolsOptions) {
    this.options = options;
    this.members = new PoolMembers(options);
    this.discovered = new DiscoveredLayer({
      admit: (pool, servers, layer) => {
        this.limits.expectRoomForList(pool, servers, layer);
        this.limits.expectRoomForPool(pool);
        this.all.ensure(pool);
      },
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
    const { members, state, configured, discovered } = this;
    this.known = new KnownPools({ state, configured, discovered, members });
    this.limits = new PoolLimits(members, this.known);
    this.rules = new PoolRules({ known: this.known, members, limits: this.limits, plugins: options.plugins });
    this.expiry = new ServerExpiry(state, options.clock);
    this.writes = new ServerWrites(state, members);
    this.registerServers();
    state.register({
      kind: poolKind,
      base: name => this.known.base(name),
      changed: (name, { by }) => this.mergePool(name, by),
      admit: (name, after, write) => this.rules.admit(name, after, write),
      prepare: (name, after) => this.rules.prepare(name, after),
    });
    this.settings = new RunTimeSettings(this.state, change => {
      if (this.members.started) options.tell?.(change);
    });
  }

  private registerServers(): void {
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
        if (after === undefined) return;
        const { pool, id } = partsOfServerKey(key);
        if (this.known.isRemoved(pool))
          throw new WeldrError('NOT_FOUND', `the pool ${pool} was removed; add it again first`);
        this.limits.expectRoomForServer(pool, id);
      },
    });
  }

  /** All pools by name, those that ended and may come back included. */
  get all(): Pools {
    return this.members.pools;
  }

  /** The pool `default`. */
  get default(): Pool {
    return this.all.default;
  }

  /** A pool by its name, one that ended included; undefined: there never was one. */
  pool(name: string): Pool | undefined {
    return this.all.get(name);
  }

  /** Sets what finds out what leads to a pool besides fallbacks, for people. */
  set leads(leads: (pool: string) => readonly string[]) {
    this.rules.leads = leads;
  }

  /** Counts the batches of changes that were made. */
  get revision(): number {
    return this.members.revision;
  }

  /** One server by its URL's origin. */
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
    const changed = this.configured.replace(pools, settings);
    for (const name of changed.pools) this.mergePool(name, 'the config');
    for (const { pool, id } of changed.servers) this.merge(pool, id, 'the config');
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
    const entity = this.known.isRemoved(pool)
      ? undefined
      : this.state.entity(serverKindName, serverKey(pool, id));
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
      this.expiry.schedule(member, entity);
    }
    const { tell } = this.options;
    if (tell === undefined || !this.members.started) return;
    const what = `server ${id} in pool ${pool}`;
    for (const change of changesBetween(what, { before, after: entity?.value }, serverKind.secret, { by })) {
      tell(change);
    }
  }

  /** The names of the pools that exist, and of those whose last servers drain. */
  get poolNames(): string[] {
    return this.known.names;
  }

  /** Does it exist, or do servers of it still drain? */
  isShown(name: string): boolean {
    return this.known.isShown(name);
  }

  /** May routes and fallbacks lead to it? */
  hasPool(name: string): boolean {
    return this.known.has(name);
  }

  /** Brings a pool to what the layers say of it now, and its servers, as they may come and go with it. */
  private mergePool(name: string, by: string): void {
    const entity = this.known.entity(name);
    const before = this.known.note(name, entity);
    const settings = entity === undefined ? noPoolSettings : poolSettingsOf(entity.value);
    this.members.setPool(name, settings, this.known.listOf(name, entity));
    const { tell } = this.options;
    if (tell !== undefined && this.members.started) {
      const changes = { before, after: entity?.value };
      for (const change of changesBetween(`pool ${name}`, changes, poolKind.secret, { by })) tell(change);
    }
    const isRemoved = this.known.isRemoved(name);
    if (isRemoved === this.emptied.has(name)) return;
    if (isRemoved) this.emptied.add(name);
    else this.emptied.delete(name);
    for (const id of this.known.idsOf(name)) this.merge(name, id, by);
  }

  /** What of the plugins of a pool is not as it is listed, a sentence each. */
  pluginProblems(name: string): readonly string[] {
    return this.options.plugins?.problems(name) ?? [];
  }

  /** The plugins which the config has made in place for a pool. */
  pluginsInPlace(name: string): readonly string[] {
    return this.options.plugins?.madeInPlace(name) ?? [];
  }

  /** What is below the operator's word; undefined: nothing. */
  private baseOf(pool: string, id: string): (Base & { readonly layer: Layer }) | undefined {
    const configured = this.configured.find(pool, id);
    if (configured !== undefined) return { value: configured, layer: 'config' };
    const found = this.discovered.find(pool, id);
    return found === undefined ? undefined : { value: found.server, layer: found.layer };
  }

  // --- from operators ------------------------------------------------------------------------------------------

  /** Makes changes, all or none, durable when it resolves; see {@link State.write}. */
  async write(writes: readonly Write[], by: string): Promise<readonly Written[]> {
    return await this.state.write(writes, by);
  }

  /** See {@link ServerWrites.add}. */
  async add(pool: string, server: ServerDefinition, by?: string): Promise<AddedServer> {
    return await this.writes.add(pool, server, by);
  }

  /** See {@link ServerWrites.update}. */
  async update(pool: string, id: string, patch: ServerPatch, by?: string): Promise<PoolEntry> {
    return await this.writes.update(pool, id, patch, by);
  }

  /** See {@link ServerWrites.remove}. */
  async remove(pool: string, id: string, how?: { force: boolean }, by?: string): Promise<void> {
    await this.writes.remove(pool, id, how, by);
  }

  /** See {@link ServerWrites.cut}. */
  cut(pool: string, id: string): void {
    this.writes.cut(pool, id);
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.members.get(pool, id)?.drain.ended();
  }
}

/** Who decides on the state that is wanted of a server, in a sentence; a config is an operator's, too. */
function stateAuthorOf({ layer, row }: Entity): string {
  const isOperators = !layer.startsWith('discovered:') || Object.hasOwn(row?.value ?? {}, 'state');
  return isOperators ? 'an operator' : layer;
}
