// ScopePairs: values by the scopes of a route and a pool. A change of one scope forgets only its own values.

/** Values by the scopes of route and pool; `''` for a route or pool without its own plugins. */
export class ScopePairs<T> {
  private readonly values = new Map<string, T>();
  /** For each scope: the keys of its values, and the other scope of each. */
  private readonly joined = new Map<string, Map<string, string>>();

  get(route: string, pool: string): T | undefined {
    return this.values.get(`${route} ${pool}`);
  }

  set(route: string, pool: string, value: T): void {
    const key = `${route} ${pool}`;
    this.values.set(key, value);
    this.note(route, key, pool);
    this.note(pool, key, route);
  }

  /** Forgets all values of this scope. */
  forget(scope: string): void {
    const keys = this.joined.get(scope);
    if (keys === undefined) return;
    this.joined.delete(scope);
    for (const [key, other] of keys) {
      this.values.delete(key);
      const others = this.joined.get(other);
      others?.delete(key);
      if (others?.size === 0) this.joined.delete(other);
    }
  }

  clear(): void {
    this.values.clear();
    this.joined.clear();
  }

  get size(): number {
    return this.values.size;
  }

  private note(scope: string, key: string, other: string): void {
    if (scope === '') return;
    const keys = this.joined.get(scope);
    if (keys === undefined) this.joined.set(scope, new Map([[key, other]]));
    else keys.set(key, other);
  }
}
