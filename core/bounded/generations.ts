// Generations: a bounded map that forgets the keys that have been unused for longest.

/**
 * Keeps keys in two generations. When the young one is full it becomes the old one, whose keys are forgotten at the next
 * change unless they are used before. So it never holds more than `keys`, each step costs the same, and a forgotten key
 * was unused while at least half as many others came.
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

  /** The value of a key, which counts as a use. */
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

  /** Like {@link get}, without counting as a use. */
  peek(key: string): Value | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  /** Adds a key that is not in the map. */
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

  /** All entries, those unused for longest first. */
  *[Symbol.iterator](): Generator<[key: string, value: Value]> {
    yield* this.old;
    yield* this.young;
  }
}
