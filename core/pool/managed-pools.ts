// ManagedPools: the pools as the manager holds them. Merges the layers, keeps run-time changes in the store.
// Plugins see only ManagerPools and OperatorPools of it.

import { WeldrError } from '../errors.ts';
import { changesBetween } from '../state/effective-change.ts';
import type { Base, Entity } from '../state/entity.ts';
import type { Written } from '../state/resolved-writes.ts';
import type { Row } from '../state/row.ts';
import { RunTimeSettings } from '../state/settings.ts';
import { State } from '../state/state.ts';
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

/** State of a process that is in no config and perhaps not in a store: plain JSON. */
export interface Heritage {
  readonly rows: readonly Row[];
  readonly health: readonly KnownHealth[];
  /** Missing from older versions. */
  readonly found?: readonly FoundHeritage[];
}

/** All pools of this Weldr, and the ways to change them. */
export class ManagedPools {
  /** What plugins find. */
  readonly discovered: DiscoveredLayer;
  /** The rows of operators, merged with the layers below. */
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
  /** The removed pools whose servers have been told to leave. */
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

  /** All pools by name, including those that ended and may come back. */
  get all(): Pools {
    return this.members.pools;
  }

  /** The pool `default`. */
  get default(): Pool {
    return this.all.default;
  }

  /** A pool by its name, even one that ended; undefined: there never was one. */
  pool(name: string): Pool | undefined {
    return this.all.get(name);
  }

  /** Sets the function that finds what leads to a pool besides fallbacks, for people. */
  set leads(leads: (pool: string) => readonly string[]) {
    this.rules.leads = leads;
  }

  /** The number of batches of changes so far. */
  get revision(): number {
    return this.members.revision;
  }

  /** One server by its URL's origin. */
  get(pool: string, id: string): PoolEntry | undefined {
    return this.members.get(pool, id);
  }

  /** The servers of a pool, including those that drain before they go. */
  list(pool: string): Iterable<PoolEntry> {
    return this.members.list(pool);
  }

  observe(observer: ManagedPoolsObserver): () => void {
    return this.members.observe(observer);
  }

  /** All upstreams as changes to empty pools: the first message to a new worker. */
  snapshot(): PoolChange[] {
    return this.members.snapshot();
  }

  /**
   * Sets or clears (undefined) the complaint of a plugin's instance about a server; see {@link PoolMembers.verdict}.
   */
  verdict(pool: string, id: string, instance: string, complaint: string | undefined): void {
    this.members.verdict(pool, id, instance, complaint);
  }

  /** Keeps the last result of the check of a plugin's instance, for `GET /servers`. */
  reportHealth(pool: string, id: string, instance: string, health: HealthReport): void {
    this.members.reportHealth(pool, id, instance, health);
  }

  /** Notes that a worker has no request left on a draining server. */
  workerIdle(worker: number, pool: string, id: string): void {
    this.members.workerIdle(worker, pool, id);
  }

  /** Notes that a worker has ended, so that no drain waits for it. */
  workerGone(worker: number): void {
    this.members.workerGone(worker);
  }

  // --- from the config and the store ---------------------------------------------------------------------------

  /** Takes the config's servers, at the start and at each reload, and merges them with the rows. */
  setConfig(
    pools: Readonly<Record<string, readonly ServerDefinition[]>>,
    settings: Readonly<Record<string, PoolSettings>> = {},
  ): void {
    const changed = this.configured.replace(pools, settings);
    for (const name of changed.pools) this.mergePool(name, 'the config');
    for (const { pool, id } of changed.servers) this.merge(pool, id, 'the config');
    this.members.started = true;
    this.state.resume();
  }

  /** Keeps the rows in a store from now on; see {@link State.use}. */
  async useStore(store: StateStore): Promise<void> {
    await this.state.use(store);
  }

  /** Everything that only this process knows: rows without a store, results of checks and sources. */
  get heritage(): Heritage {
    return {
      rows: [...this.state.all],
      health: [...this.members.knownHealth()],
      found: [...this.discovered.heritage()],
    };
  }

  /** Takes over the state of another process of this Weldr, before the start. */
  inherit({ rows, health, found = [] }: Heritage): void {
    this.members.inherit(health);
    this.state.inherit(rows);
    this.discovered.inherit(found);
  }

  /** Releases the store, at a reload; see {@link State.release}. */
  releaseStore(): void {
    this.state.release();
  }

  /**
   * Ends a start or a reload: `instances` of plugins run now, in the order of the config. Drops the verdicts and sources
   * of all others, because a checker that left the config would never withdraw its verdicts.
   */
  retain(instances: readonly string[]): void {
    this.members.retainVerdicts(new Set(instances));
    this.discovered.retain(instances);
  }

  /** An instance of a plugin ended without a successor: drops its verdicts and the servers it found. */
  forgetInstance(instance: string): void {
    this.members.dropVerdicts(instance);
    this.discovered.forget(instance);
  }

  /** Reports a pool's servers to the observers again, because another plugin may be responsible for them now. */
  redefine(pool: string): void {
    this.members.redefine(pool);
  }

  /** Merges one server from all layers. */
  private merge(pool: string, id: string, by: string): void {
    // A pool that an operator removed has no servers in any layer.
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

  /** Returns whether a pool exists, or servers of it still drain. */
  isShown(name: string): boolean {
    return this.known.isShown(name);
  }

  /** Returns whether routes and fallbacks may lead to a pool. */
  hasPool(name: string): boolean {
    return this.known.has(name);
  }

  /** Merges a pool from all layers, and its servers too when the pool was removed or comes back. */
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

  /** The problems with the plugins listed for a pool, one sentence each. */
  pluginProblems(name: string): readonly string[] {
    return this.options.plugins?.problems(name) ?? [];
  }

  /** The plugins that the config made in place for a pool. */
  pluginsInPlace(name: string): readonly string[] {
    return this.options.plugins?.madeInPlace(name) ?? [];
  }

  /** What the layers below the operator's define for a server; undefined: nothing. */
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

  /** Resolves when a server has no requests in flight, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.members.get(pool, id)?.drain.ended();
  }
}

/** Who set the state of a server, for a sentence; the config counts as an operator. */
function stateAuthorOf({ layer, row }: Entity): string {
  const isOperators = !layer.startsWith('discovered:') || Object.hasOwn(row?.value ?? {}, 'state');
  return isOperators ? 'an operator' : layer;
}
