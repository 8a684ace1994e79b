// DiscoveredLayer: the servers that plugins find, below the config and the operators; in memory only.
import { WeldrError } from '../errors.ts';
import {
  type DiscoveredServers,
  type DiscoverySource,
  discoveredServers,
  type SourceChange,
  type SourceSummary,
} from './discovery-source.ts';
import type { Layer } from './pool.ts';
import { keyOf } from './pool-entry.ts';
import { isPoolName } from './pool-name.ts';
import type { ServerDefinition } from './server-definition.ts';
import { type GuardOptions, guardedList, type HeldList } from './source-guard.ts';

/** The most sources. */
const maxSources = 100;

/** What the layer needs of the pools around it. */
export interface DiscoveredLayerHost {
  /** Makes room for the servers of a source, and the pool. Throws LIMIT_REACHED before anything has changed. */
  admit(pool: string, servers: DiscoveredServers, layer: Layer): void;
  /** The layer's definition of this server changed; `by`: the cause, for people. */
  changed(pool: string, id: string, by: string): void;
}

/** The layer's definition of one server. */
export interface Discovered {
  readonly server: ServerDefinition;
  readonly layer: Layer;
}

/** The servers of a source in a pool, for another process: plain JSON. */
export interface FoundHeritage {
  readonly source: string;
  readonly pool: string;
  readonly servers: readonly ServerDefinition[];
}

/** One source, which passes from one owner to the next. */
interface Source {
  readonly name: string;
  readonly layer: Layer;
  readonly pools: Map<string, DiscoveredServers>;
  /** The lists that the guard held back, by pool. */
  readonly held: Map<string, HeldList>;
  guard: GuardOptions | undefined;
  /** The instance that claimed it; undefined: none yet since a reload began. */
  owner: SourceOwner | undefined;
  /** The instance that owned it last. */
  madeBy: string;
  /** The place of its plugin in the config. */
  rank: number;
}

/** One instance of a plugin, from its start to its end; the instance after a reload is another owner. */
export interface SourceOwner {
  readonly instance: string;
}

/** The sources of all plugins. */
export class DiscoveredLayer {
  private readonly host: DiscoveredLayerHost;
  /** The first source that names a server decides. */
  private sources: Source[] = [];
  private ranks: ReadonlyMap<string, number> = new Map();

  constructor(host: DiscoveredLayerHost) {
    this.host = host;
  }

  /** The definition by the first source that names a server, or undefined. */
  find(pool: string, id: string): Discovered | undefined {
    for (const { pools, layer } of this.sources) {
      const server = pools.get(pool)?.get(id);
      if (server !== undefined) return { server, layer };
    }
    return undefined;
  }

  /** The layer of the first source that has servers in a pool; undefined: none has. */
  layerOf(pool: string): Layer | undefined {
    return this.sources.find(({ pools }) => pools.has(pool))?.layer;
  }

  /** The servers of a pool that any source names. */
  *idsOf(pool: string): Generator<string> {
    for (const { pools } of this.sources) yield* pools.get(pool)?.keys() ?? [];
  }

  /** What each source holds of a pool, in their order. */
  summaries(pool: string): SourceSummary[] {
    const found: SourceSummary[] = [];
    for (const { name, pools, held } of this.sources) {
      const servers = pools.get(pool)?.size ?? 0;
      const reason = held.get(pool)?.reason;
      if (servers > 0) found.push({ source: name, servers, ...(reason !== undefined && { held: reason }) });
    }
    return found;
  }

  /** All servers found, for the process that replaces this one. */
  *heritage(): Generator<FoundHeritage> {
    for (const { name, pools } of this.sources) {
      for (const [pool, servers] of pools) yield { source: name, pool, servers: [...servers.values()] };
    }
  }

  /** Takes over what another process found, before the plugins start; to them it looks like a reload. */
  inherit(found: readonly FoundHeritage[]): void {
    for (const { source: name, pool, servers } of found) {
      try {
        const list = discoveredServers(servers, undefined);
        this.put(this.sources.find(known => known.name === name) ?? this.make(name, ''), pool, list);
      } catch (thrown) {
        // The plugins find again what this version does not understand.
        if (!(thrown instanceof WeldrError)) throw thrown;
      }
    }
  }

  /**
   * Gives a source to an instance of a plugin, with everything that the previous instance left in it at a reload. Throws
   * INPUT_INVALID for a bad name, CONFIG_INVALID when another instance has it, LIMIT_REACHED.
   */
  claim(name: string, owner: SourceOwner, guard?: GuardOptions): DiscoverySource {
    if (!isPoolName(name)) {
      throw new WeldrError(
        'INPUT_INVALID',
        `${JSON.stringify(name)} cannot name a source: expected letters, digits, "_", "." and "-", at most 63`,
        { field: 'name' },
      );
    }
    const { instance } = owner;
    const source = this.sources.find(known => known.name === name) ?? this.make(name, instance);
    if (source.owner !== undefined && source.owner.instance !== instance) {
      throw new WeldrError(
        'CONFIG_INVALID',
        `${source.owner.instance} and ${instance} both call their source ${name}; give one of them another name`,
      );
    }
    source.owner = owner;
    source.madeBy = instance;
    source.guard = guard;
    // Late results of an instance that ended must not undo those of its successor.
    const owned = (change: () => SourceChange): SourceChange =>
      source.owner === owner ? change() : noChange;
    return {
      name,
      get pools() {
        return [...source.pools.keys()];
      },
      replace: (pool, servers) => owned(() => this.replace(source, pool, servers)),
      leave: pool => owned(() => (source.pools.has(pool) ? this.put(source, pool, new Map()) : noChange)),
    };
  }

  /** An instance has ended: its servers stay until the next one replaces them, or {@link retain}. */
  release(owner: SourceOwner): void {
    for (const source of this.sources) if (source.owner === owner) source.owner = undefined;
  }

  /**
   * Ends a start or a reload: `instances` run now, in the order of the config. Empties the sources that none of them
   * claimed, and puts the others into that order.
   */
  retain(instances: readonly string[]): void {
    this.ranks = new Map(instances.map((instance, at) => [instance, at]));
    const before = this.sources;
    const stay: Source[] = [];
    for (const source of before) {
      const rank = source.owner === undefined ? undefined : this.ranks.get(source.owner.instance);
      if (rank === undefined) {
        source.owner = undefined;
      } else {
        source.rank = rank;
        stay.push(source);
      }
    }
    this.sources = inOrder(stay);
    const same = stay.length === before.length && this.sources.every((source, at) => source === before[at]);
    if (same) return;
    for (const [pool, id, layer] of keysOf(before)) this.host.changed(pool, id, layer);
  }

  /** An instance has ended for good: empties its sources. */
  forget(instance: string): void {
    const own = this.sources.filter(source => source.madeBy === instance && source.owner === undefined);
    if (own.length === 0) return;
    this.sources = this.sources.filter(source => !own.includes(source));
    for (const [pool, id, layer] of keysOf(own)) this.host.changed(pool, id, layer);
  }

  private make(name: string, instance: string): Source {
    if (this.sources.length >= maxSources) {
      throw new WeldrError('LIMIT_REACHED', `there are ${maxSources} sources already, which is the limit`);
    }
    const rank = this.ranks.get(instance) ?? Number.POSITIVE_INFINITY;
    const source: Source = {
      name,
      layer: `discovered:${name}`,
      pools: new Map(),
      held: new Map(),
      guard: undefined,
      owner: undefined,
      rank,
      madeBy: instance,
    };
    this.sources = inOrder([...this.sources, source]);
    return source;
  }

  private replace(source: Source, pool: string, input: unknown): SourceChange {
    if (!isPoolName(pool)) {
      throw new WeldrError('INPUT_INVALID', `${JSON.stringify(pool)} is not the name of a pool`, {
        field: 'pool',
      });
    }
    const before = source.pools.get(pool);
    const after = discoveredServers(input, before);
    const held = hold(source, pool, after);
    if (held !== undefined) {
      source.held.set(pool, held);
      return { ...noChange, held: held.reason };
    }
    return this.put(source, pool, after);
  }

  /** Throws LIMIT_REACHED before anything has changed. */
  private put(source: Source, pool: string, after: DiscoveredServers): SourceChange {
    const before = source.pools.get(pool);
    this.host.admit(pool, after, source.layer);
    source.held.delete(pool);
    if (after.size > 0) source.pools.set(pool, after);
    else source.pools.delete(pool);
    let added = 0;
    let changed = 0;
    let removed = 0;
    // New servers join before others leave: the pool is not empty in between.
    for (const [id, server] of after) {
      const known = before?.get(id);
      if (known === server) continue;
      if (known === undefined) added++;
      else changed++;
      this.host.changed(pool, id, source.layer);
    }
    for (const id of before?.keys() ?? []) {
      if (after.has(id)) continue;
      removed++;
      this.host.changed(pool, id, source.layer);
    }
    return { added, removed, changed };
  }
}

const noChange: SourceChange = Object.freeze({ added: 0, removed: 0, changed: 0 });

/** The list, if the guard holds it back; undefined: it passes. */
function hold({ guard, pools, held }: Source, pool: string, after: DiscoveredServers): HeldList | undefined {
  const before = pools.get(pool);
  if (guard === undefined || before === undefined) return undefined;
  const last = held.get(pool);
  return guardedList(guard, { before, after, ...(last !== undefined && { held: last }) });
}

/** In the order of their plugins; those of one plugin in the order in which it claimed them. */
function inOrder(sources: readonly Source[]): Source[] {
  return [...sources].sort((one, other) => (one.rank === other.rank ? 0 : one.rank - other.rank));
}

/** Each server that the sources name, once. */
function keysOf(sources: readonly Source[]): Iterable<readonly [pool: string, id: string, layer: Layer]> {
  const keys = new Map<string, readonly [string, string, Layer]>();
  for (const { pools, layer } of sources) {
    for (const [pool, servers] of pools)
      for (const id of servers.keys()) keys.set(keyOf(pool, id), [pool, id, layer]);
  }
  return keys.values();
}
