// Generations: values by key, bounded: those that nobody asked for longest are forgotten.

/**
 * Keys live in two generations: when the young one is full it becomes the old one, whose keys are forgotten unless they are
 * asked for before the next change. So there are never more than `keys` of them, each step costs the same, and the ones
 * that go have been quiet for at least as long as it took half as many others to come.
 */
export class Generations<Value> {
  private readonly generation: number;
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();

  /** @param keys the most that are kept, 2 or more */
  constructor(keys: number) {
    this.generation = Math.max(1, Math.floor(keys / 2));
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  /** The value of a key, which then counts as asked for. */
  get(key: string): Value | undefined {
    const known = this.young.get(key);
    if (known !== undefined) return known;
    const earlier = this.old.get(key);
    if (earlier !== undefined) {
      this.old.delete(key);
      this.set(key, earlier);
    }
    return earlier;
  }

  /** As {@link get}, but it does not count as asked for. */
  peek(key: string): Value | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  /** Puts in a key that is not there. */
  set(key: string, value: Value): void {
    if (this.young.size >= this.generation) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }

  /** All of them, those that were asked for longest ago first. */
  *[Symbol.iterator](): Generator<[key: string, value: Value]> {
    yield* this.old;
    yield* this.young;
  }
}
