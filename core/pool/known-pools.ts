// KnownPools: which pools exist, according to the layers and to their servers.
import type { Base, Entity } from '../state/entity.ts';
import { type ListedNames, listedNames } from '../state/listed-names.ts';
import type { Row } from '../state/row.ts';
import type { State } from '../state/state.ts';
import type { ConfiguredLayer } from './configured-layer.ts';
import type { DiscoveredLayer } from './discovered-layer.ts';
import type { PoolMembers } from './pool-members.ts';
import { noPoolSettings, type PoolSettings, poolKindName, poolSettingsOf } from './pool-settings.ts';
import { partsOfServerKey, serverKey, serverKindName } from './server-kind.ts';

/** What the pools are derived from. */
export interface KnownPoolsParts {
  readonly state: State;
  readonly configured: ConfiguredLayer;
  readonly discovered: DiscoveredLayer;
  readonly members: PoolMembers;
}

/** The pools of all layers. */
export class KnownPools {
  private readonly state: State;
  private readonly configured: ConfiguredLayer;
  private readonly discovered: DiscoveredLayer;
  private readonly members: PoolMembers;
  /** The pools that any layer defined when they were last merged. */
  private readonly defined = new Set<string>();

  constructor({ state, configured, discovered, members }: KnownPoolsParts) {
    this.state = state;
    this.configured = configured;
    this.discovered = discovered;
    this.members = members;
  }

  /** The names of the pools that exist, and of those whose last servers drain. */
  get names(): string[] {
    return Array.from(this.members.pools, ({ name }) => name).filter(name => this.isShown(name));
  }

  /** Returns whether a pool exists, or servers of it still drain. */
  isShown(name: string): boolean {
    return this.has(name) || (!this.isRemoved(name) && (this.members.pools.get(name)?.size ?? 0) > 0);
  }

  /**
   * Returns whether routes and fallbacks may lead to a pool. One that exists only through its servers ends when the last of
   * them must go.
   */
  has(name: string): boolean {
    if (this.isRemoved(name)) return false;
    if (this.entity(name) !== undefined) return true;
    for (const { leaving } of this.members.list(name)) if (!leaving) return true;
    return false;
  }

  /** Returns whether an operator removed a pool. */
  isRemoved(name: string): boolean {
    return this.state.row(poolKindName, name)?.op === 'remove';
  }

  /** What the layers make of a pool; undefined: none defines it. */
  entity(name: string): Entity | undefined {
    return this.state.entity(poolKindName, name);
  }

  /** The base below the operator's row; undefined: none. */
  base(name: string): Base | undefined {
    const configured = this.configured.poolSettings(name);
    if (configured !== undefined) return { value: configured, layer: 'config' };
    if (name === 'default') return { value: noPoolSettings, layer: 'config' };
    const layer = this.discovered.layerOf(name);
    return layer === undefined ? undefined : { value: noPoolSettings, layer };
  }

  /** The plugins that operators list for a pool. A removed pool has only those that the config made in place. */
  listOf(name: string, entity: Entity | undefined): ListedNames {
    return listedNames(entity, this.base(name) !== undefined);
  }

  /** The fallback of a pool, including the changes that are being checked. */
  fallbackOf(name: string): string | undefined {
    const row = this.state.row(poolKindName, name);
    // Most pools have no row, and need no merge.
    if (row === undefined) return this.configured.poolSettings(name)?.fallback;
    if (row.op === 'define' && row.value?.['fallback'] === undefined) return undefined;
    const entity = this.entity(name);
    return entity === undefined ? undefined : poolSettingsOf(entity.value).fallback;
  }

  /** The servers of a pool that any layer names. */
  idsOf(name: string): Set<string> {
    const ids = new Set<string>(this.configured.idsOf(name));
    for (const id of this.discovered.idsOf(name)) ids.add(id);
    for (const { key } of this.serverRowsOf(name)) ids.add(partsOfServerKey(key).id);
    for (const { id } of this.members.pools.get(name) ?? []) ids.add(id);
    return ids;
  }

  /** What operators changed of the servers of a pool. Compares prefixes, because other pools may have many keys. */
  *serverRowsOf(name: string): Generator<Row> {
    const start = serverKey(name, '');
    for (const row of this.state.all) if (row.kind === serverKindName && row.key.startsWith(start)) yield row;
  }

  /** Notes whether any layer defines a pool now; returns the settings it had, undefined if none did before. */
  note(name: string, entity: Entity | undefined): PoolSettings | undefined {
    const before = this.defined.has(name) ? this.members.pools.get(name)?.settings : undefined;
    if (entity === undefined) this.defined.delete(name);
    else this.defined.add(name);
    return before;
  }

  /**
   * Returns whether a pool counts against the limit. One that ended and may come back keeps its name, but does not count.
   */
  takesRoom(name: string): boolean {
    return name === 'default' || this.defined.has(name) || (this.members.pools.get(name)?.size ?? 0) > 0;
  }
}
