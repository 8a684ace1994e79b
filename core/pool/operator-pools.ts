// OperatorPools: the pools for plugins that act for an operator: an API, a cluster, a store.
import type { Entity } from '../state/entity.ts';
import type { OperatorLayer } from '../state/layer.ts';
import type { Written } from '../state/resolved-writes.ts';
import type { Row } from '../state/row.ts';
import type { StateStore } from '../state/store.ts';
import type { Write } from '../state/write.ts';
import type { ManagedPools } from './managed-pools.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { ServerDefinition } from './server-definition.ts';

/**
 * What operators change about servers and settings, over what the config lists and plugins find; kept in the store, if
 * there is one. Only an operator's changes belong here: a plugin that finds servers uses `ManagerPools.source`. The
 * author (`by`) is shown with a change and logged; default: the plugin.
 */
export class OperatorPools {
  readonly #pools: ManagedPools;
  readonly #plugin: string;

  constructor(pools: ManagedPools, instance: string) {
    this.#pools = pools;
    this.#plugin = `plugin ${instance}`;
  }

  /** Whether the store is unreachable, so that what is read may be out of date. */
  get stale(): boolean {
    return this.#pools.state.stale;
  }

  /** The layer shown for operators' definitions: `cluster` when other nodes share them. */
  get layer(): OperatorLayer {
    return this.#pools.state.layer;
  }

  /** The entity of a key, and its base; undefined: there is none. */
  entity(kind: string, key: string): Entity | undefined {
    return this.#pools.state.entity(kind, key);
  }

  /** An operator's row for a key; undefined: there is none. */
  row(kind: string, key: string): Row | undefined {
    return this.#pools.state.row(kind, key);
  }

  /**
   * Makes up to 100 changes, all or none; durable and active when it resolves. Rejects when a precondition fails or a value
   * is wrong, and with STORE_UNAVAILABLE, CONFLICT, LIMIT_REACHED.
   *
   * @example
   * await operator.write([{ kind: 'server', key: 'default/http://10.0.0.5:3000', op: 'patch', value: { weight: 2 } }]);
   */
  async write(writes: readonly Write[], by: string = this.#plugin): Promise<readonly Written[]> {
    return await this.#pools.write(writes, by);
  }

  /** Returns what {@link write} would do. Throws what it would reject with, except for errors of the store. */
  plan(writes: readonly Write[], by: string = this.#plugin): readonly Written[] {
    return this.#pools.state.plan(writes, by);
  }

  /**
   * Adds a server, or replaces the definition of the one that exists; durable when it resolves. `created`: it is new.
   * Rejects with STORE_UNAVAILABLE, CONFLICT or LIMIT_REACHED.
   */
  async add(
    pool: string,
    server: ServerDefinition,
    by: string = this.#plugin,
  ): Promise<{ entry: PoolEntry; created: boolean }> {
    return await this.#pools.add(pool, server, by);
  }

  /**
   * Removes a server; durable when it resolves. It gets no more new requests, and is gone when it has finished those it
   * had, or at once with `force`. One that the config lists or a source finds stays away until it is added again. Rejects
   * with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(
    pool: string,
    id: string,
    how: { force: boolean } = { force: false },
    by: string = this.#plugin,
  ): Promise<void> {
    await this.#pools.remove(pool, id, how, by);
  }

  /** Drops a removed server at once, without waiting for its requests. */
  cut(pool: string, id: string): void {
    this.#pools.cut(pool, id);
  }

  /** Resolves when a server has no requests in flight, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.#pools.drained(pool, id);
  }

  /** Deletes all rows: the config and the sources decide again. */
  async reset(by: string = this.#plugin): Promise<void> {
    await this.#pools.state.reset(by);
  }

  /** All rows, for export. */
  rows(): readonly Row[] {
    return [...this.#pools.state.all];
  }

  /** Imports rows from an export as they are; durable when it resolves. */
  async take(rows: readonly Row[], by: string = this.#plugin): Promise<void> {
    await this.#pools.state.take(rows, by);
  }

  /**
   * Loads a store and keeps the rows in it from now on; earlier rows are written to it. Rejects with CONFIG_INVALID when
   * another plugin has already set a store.
   */
  async useStore(store: StateStore): Promise<void> {
    await this.#pools.useStore(store);
  }
}
