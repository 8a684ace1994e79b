// Pools: the pools of one process, by name.
import { Pool } from './pool.ts';
import type { PoolChange } from './pool-change.ts';
import type { Vantage } from './vantage.ts';

/** The pools of one process. `default` always exists. */
export class Pools {
  readonly #byName = new Map<string, Pool>();
  /** Called with each new pool. */
  readonly #followers = new Set<(pool: Pool) => void>();
  #vantage: Vantage | undefined = undefined;
  readonly default: Pool;

  constructor() {
    this.default = this.ensure('default');
    Object.freeze(this);
  }

  get(name: string): Pool | undefined {
    return this.#byName.get(name);
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Returns the pool of this name, which is made when it is new. */
  ensure(name: string): Pool {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const pool = this.makePool(name);
    if (this.#vantage !== undefined) pool.lookFrom(this.#vantage);
    this.#byName.set(name, pool);
    for (const follow of this.#followers) follow(pool);
    return pool;
  }

  /** @internal See {@link Pool.makeUpstream}. */
  makePool(name: string): Pool {
    return new Pool(name);
  }

  [Symbol.iterator](): IterableIterator<Pool> {
    return this.#byName.values();
  }

  /** Calls `follow` for each pool, existing and new; returns a function that stops it. */
  follow(follow: (pool: Pool) => void): () => void {
    this.#followers.add(follow);
    for (const pool of this.#byName.values()) follow(pool);
    return () => this.#followers.delete(follow);
  }

  /** @internal Sets the view of a worker for all pools. */
  lookFrom(vantage: Vantage): void {
    this.#vantage = vantage;
    for (const pool of this.#byName.values()) pool.lookFrom(vantage);
  }

  /** Applies changes that belong together, as the manager sent them. */
  applyAll(changes: readonly PoolChange[]): void {
    const held = new Set<Pool>();
    for (const { pool: name } of changes) held.add(this.ensure(name));
    for (const pool of held) pool.hold();
    try {
      for (const change of changes) this.apply(change);
    } finally {
      for (const pool of held) pool.release();
    }
  }

  /** Applies one change as the manager sent it. */
  apply(change: PoolChange): void {
    const pool = this.ensure(change.pool);
    if (change.op === 'set') pool.set(change.upstream);
    else if (change.op === 'delete') pool.delete(change.id);
    else pool.setSettings(change.settings);
  }
}

// Otherwise a method that a plugin assigns to the prototype would replace the class's own.
Object.freeze(Pools.prototype);
