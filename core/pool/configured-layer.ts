// ConfiguredLayer: the pools and servers that the config lists.
import { keyOf } from './pool-entry.ts';
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import type { ServerDefinition } from './server-definition.ts';

/** The parts of a server's key. */
export interface ServerPlace {
  readonly pool: string;
  readonly id: string;
}

/** What a new config may have changed: all that it or the one before lists. */
export interface ConfigChange {
  readonly pools: Iterable<string>;
  readonly servers: Iterable<ServerPlace>;
}

/** The config's pools and servers, replaced as a whole at each reload. */
export class ConfiguredLayer {
  private pools = new Map<string, PoolSettings>();
  private servers = new Map<string, { pool: string; server: ServerDefinition }>();

  /** The settings of a pool; undefined: the config does not list it. */
  poolSettings(name: string): PoolSettings | undefined {
    return this.pools.get(name);
  }

  /** The definition of a server; undefined: the config does not list it. */
  find(pool: string, id: string): ServerDefinition | undefined {
    return this.servers.get(keyOf(pool, id))?.server;
  }

  /** The servers of a pool. */
  *idsOf(name: string): Generator<string> {
    for (const { pool, server } of this.servers.values()) if (pool === name) yield server.url;
  }

  /** Takes the next config. */
  replace(
    pools: Readonly<Record<string, readonly ServerDefinition[]>>,
    settings: Readonly<Record<string, PoolSettings>>,
  ): ConfigChange {
    const before = { pools: this.pools, servers: this.servers };
    this.pools = new Map();
    for (const name of [...Object.keys(pools), ...Object.keys(settings)])
      this.pools.set(name, settings[name] ?? noPoolSettings);
    this.servers = new Map();
    for (const [pool, servers] of Object.entries(pools)) {
      for (const server of servers) this.servers.set(keyOf(pool, server.url), { pool, server });
    }
    const touched = new Map<string, ServerPlace>();
    for (const { pool, server } of [...before.servers.values(), ...this.servers.values()])
      touched.set(keyOf(pool, server.url), { pool, id: server.url });
    return { pools: new Set([...before.pools.keys(), ...this.pools.keys()]), servers: touched.values() };
  }
}
