// PoolReferences: an index of what leads to which pool, so that a change looks only at what it concerns.

/** The things that lead to pools, by name, such as `route api`. */
export class PoolReferences {
  private readonly poolsOf = new Map<string, readonly string[]>();
  private readonly by = new Map<string, Set<string>>();

  /** Sets the pools that a thing leads to; if there are none, the thing is forgotten. */
  set(thing: string, pools: readonly string[]): void {
    for (const pool of this.poolsOf.get(thing) ?? []) {
      const things = this.by.get(pool);
      things?.delete(thing);
      if (things?.size === 0) this.by.delete(pool);
    }
    if (pools.length === 0) this.poolsOf.delete(thing);
    else this.poolsOf.set(thing, pools);
    for (const pool of pools) {
      const things = this.by.get(pool);
      if (things === undefined) this.by.set(pool, new Set([thing]));
      else things.add(thing);
    }
  }

  clear(): void {
    this.poolsOf.clear();
    this.by.clear();
  }

  /** All pools that something leads to. */
  get pools(): Iterable<string> {
    return this.by.keys();
  }

  /** The things that lead to a pool. */
  leadingTo(pool: string): Iterable<string> {
    return this.by.get(pool) ?? [];
  }
}
