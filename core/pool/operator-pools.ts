// OperatorPools: the pools as plugins have them that act for an operator: an API, a cluster, a store.
import type { Entity } from '../state/entity.ts';
import type { OperatorLayer } from '../state/layer.ts';
import type { Row } from '../state/row.ts';
import type { Written } from '../state/state.ts';
import type { StateStore } from '../state/store.ts';
import type { Write } from '../state/write.ts';
import type { ManagedPools } from './managed-pools.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { ServerDefinition } from './server-definition.ts';

/**
 * What operators say of servers and settings, over what the config lists and what plugins find; kept in the store, if
 * there is one. Only what an operator wants belongs here: a plugin that finds servers by itself has
 * `ManagerPools.source`. Who says it (`by`) is shown with it and logged; default: the plugin.
 */
export class OperatorPools {
  readonly #pools: ManagedPools;
  readonly #plugin: string;

  constructor(pools: ManagedPools, instance: string) {
    this.#pools = pools;
    this.#plugin = `plugin ${instance}`;
  }

  /** Is the store away, so that what is read may be out of date? */
  get stale(): boolean {
    return this.#pools.state.stale;
  }

  /** As what operators' whole entities are shown: `cluster` where other nodes have them, too. */
  get layer(): OperatorLayer {
    return this.#pools.state.layer;
  }

  /** What is in force of a thing, and what is below an operator's word; undefined: nothing is in force. */
  entity(kind: string, key: string): Entity | undefined {
    return this.#pools.state.entity(kind, key);
  }

  /** What an operator said of a thing; undefined: nothing. */
  row(kind: string, key: string): Row | undefined {
    return this.#pools.state.row(kind, key);
  }

  /**
   * Makes changes, all or none, up to 100; durable and in force when it resolves. Rejects with what a write expects or
   * finds wrong, STORE_UNAVAILABLE, CONFLICT, LIMIT_REACHED.
   *
   * @example
   * await operator.write([{ kind: 'server', key: 'default/http://10.0.0.5:3000', op: 'patch', value: { weight: 2 } }]);
   */
  async write(writes: readonly Write[], by: string = this.#plugin): Promise<readonly Written[]> {
    return await this.#pools.write(writes, by);
  }

  /** What {@link write} would do. Throws what it would reject with, but for what the store says. */
  plan(writes: readonly Write[], by: string = this.#plugin): readonly Written[] {
    return this.#pools.state.plan(writes, by);
  }

  /**
   * Has a server be there with this definition; durable when it resolves. `created` says whether it was not.
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
   * Removes a server; durable when it resolves. It gets no new request from then on, and is gone when it has
   * finished what it had, or at once with `force`. One that the config lists or a source finds stays away until it is
   * added again. Rejects with NOT_FOUND, STORE_UNAVAILABLE, CONFLICT.
   */
  async remove(
    pool: string,
    id: string,
    how: { force: boolean } = { force: false },
    by: string = this.#plugin,
  ): Promise<void> {
    await this.#pools.remove(pool, id, how, by);
  }

  /** Takes a server that was removed out at once, without waiting for its requests. */
  cut(pool: string, id: string): void {
    this.#pools.cut(pool, id);
  }

  /** Resolves when a server has no request in flight any more, or is gone. */
  async drained(pool: string, id: string): Promise<void> {
    await this.#pools.drained(pool, id);
  }

  /** Forgets all that operators said: the config and the sources decide. */
  async reset(by: string = this.#plugin): Promise<void> {
    await this.#pools.state.reset(by);
  }

  /** Everything that operators said, for export. */
  rows(): readonly Row[] {
    return [...this.#pools.state.all];
  }

  /** Takes rows over as they are, from an export; durable when it resolves. */
  async take(rows: readonly Row[], by: string = this.#plugin): Promise<void> {
    await this.#pools.state.take(rows, by);
  }

  /**
   * Loads a store and makes it the home of what operators say; what was said before is written to it. Rejects with
   * CONFIG_INVALID when another plugin did so already.
   */
  async useStore(store: StateStore): Promise<void> {
    await this.#pools.useStore(store);
  }
}
