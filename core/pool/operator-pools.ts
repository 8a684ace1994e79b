// OperatorPools: the pools as plugins have them that act for an operator: an API, a cluster, a store.
import type { ManagedPools } from './managed-pools.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { ServerDefinition } from './server-definition.ts';
import type { PoolStore, StoredPools } from './store.ts';

/**
 * What operators say about servers, over what the config lists and what plugins find; kept in the store, if there is
 * one. Only what an operator wants belongs here: a plugin that finds servers by itself has `ManagerPools.source`.
 */
export class OperatorPools {
  readonly #pools: ManagedPools;

  constructor(pools: ManagedPools) {
    this.#pools = pools;
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.#pools.stale;
  }

  /**
   * Adds a server, or updates the one with its URL; durable when it resolves. `created` says which.
   * Rejects with STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  async add(pool: string, server: ServerDefinition): Promise<{ entry: PoolEntry; created: boolean }> {
    return await this.#pools.add(pool, server);
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
    return await this.#pools.register(pool, id, define);
  }

  /** Changes a server that is there; durable when it resolves. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT. */
  async update(pool: string, id: string, patch: Partial<Omit<ServerDefinition, 'url'>>): Promise<PoolEntry> {
    return await this.#pools.update(pool, id, patch);
  }

  /**
   * Removes a server; durable when it resolves. It gets no new request from then on, and is gone when it has
   * finished what it had, or at once with `force`. One that the config lists or a source finds stays away until it is
   * added again. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(pool: string, id: string, how: { force: boolean } = { force: false }): Promise<void> {
    await this.#pools.remove(pool, id, how);
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.#pools.drained(pool, id);
  }

  /** Forgets all that operators said: the config and the sources decide. */
  async reset(): Promise<void> {
    await this.#pools.reset();
  }

  /** Everything that operators said, for export. */
  exportStored(): StoredPools {
    return this.#pools.exportStored();
  }

  /**
   * Loads a store and makes it the home of changes; those made while there was none are written to it. Rejects with
   * CONFIG_INVALID when another plugin did so already.
   */
  async useStore(store: PoolStore): Promise<void> {
    await this.#pools.useStore(store);
  }
}
