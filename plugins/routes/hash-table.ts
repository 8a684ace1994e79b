// HashTable: values by hash alone, for look-ups without creating a key. Several values may share a hash; the caller tells
// them apart.

/** The initial value of a hash. */
export const emptyHash = 0x811c9dc5 | 0;

/**
 * Adds a character to a hash. To ignore case, it ignores one bit of every character, which is a single operation. Texts that
 * differ in that bit alone share a hash, but they are compared anyway.
 */
export function hashWith(hash: number, code: number): number {
  return (Math.imul(hash, 31) + (code | 0x20)) | 0;
}

/** The smallest length of the array of slots. */
const leastLength = 8;

/** A hash table with open addressing, at most half full. Removal leaves no tombstones. */
export class HashTable<V extends object> {
  /** All values, in no order. */
  readonly values: V[] = [];
  /** The hashes of `values`. */
  private readonly hashes: number[] = [];
  /** Two numbers each: a hash and its index in `values`; -1: free. */
  private slots = new Int32Array(leastLength).fill(-1);

  /** Returns the slot of the first value with this hash; -1: there is none. */
  first(hash: number): number {
    return this.from(homeOf(hash), hash);
  }

  /** Returns the slot of the next value with the same hash; -1: there is none. */
  next(slot: number, hash: number): number {
    return this.from(slot + 2, hash);
  }

  /** Returns the value in a slot that was found. */
  at(slot: number): V | undefined {
    return this.values[this.slots[slot + 1] ?? -1];
  }

  add(hash: number, value: V): void {
    const place = this.values.push(value) - 1;
    this.hashes.push(hash);
    if ((place + 1) * 4 > this.slots.length) this.resize(this.slots.length * 2);
    else this.occupy(hash, place);
  }

  /** Removes a value, which must be in the table. */
  remove(hash: number, value: V): void {
    let slot = this.first(hash);
    while (slot >= 0 && this.at(slot) !== value) slot = this.next(slot, hash);
    if (slot < 0) return;
    const place = this.slots[slot + 1] ?? -1;
    this.vacate(slot);
    const last = this.values.length - 1;
    if (place !== last) this.move(last, place);
    this.values.pop();
    this.hashes.pop();
    // Shrinks when an eighth is in use, so that a quarter is: the next addition does not make it grow again.
    if (this.slots.length > leastLength && last * 16 < this.slots.length) this.resize(this.slots.length / 2);
  }

  /** Moves a value into a gap in `values`. */
  private move(from: number, to: number): void {
    const { values, hashes, slots } = this;
    const hash = hashes[from];
    const value = values[from];
    if (hash === undefined || value === undefined) return;
    let slot = this.first(hash);
    while (slots[slot + 1] !== from) slot = this.next(slot, hash);
    slots[slot + 1] = to;
    values[to] = value;
    hashes[to] = hash;
  }

  private from(start: number, hash: number): number {
    const { slots } = this;
    const mask = slots.length - 2;
    for (let slot = start & mask; ; slot = (slot + 2) & mask) {
      if ((slots[slot + 1] ?? -1) < 0) return -1;
      if (slots[slot] === hash) return slot;
    }
  }

  private occupy(hash: number, place: number): void {
    const { slots } = this;
    const mask = slots.length - 2;
    let slot = homeOf(hash) & mask;
    while ((slots[slot + 1] ?? -1) >= 0) slot = (slot + 2) & mask;
    slots[slot] = hash;
    slots[slot + 1] = place;
  }

  /** Frees a slot: entries after it that would not be found past the gap move up. */
  private vacate(slot: number): void {
    const { slots } = this;
    const mask = slots.length - 2;
    let gap = slot;
    for (let at = (gap + 2) & mask; (slots[at + 1] ?? -1) >= 0; at = (at + 2) & mask) {
      const hash = slots[at] ?? 0;
      const walked = (at - homeOf(hash)) & mask;
      if (walked < ((at - gap) & mask)) continue;
      slots[gap] = hash;
      slots[gap + 1] = slots[at + 1] ?? -1;
      gap = at;
    }
    slots[gap + 1] = -1;
  }

  private resize(length: number): void {
    this.slots = new Int32Array(length).fill(-1);
    for (const [place, hash] of this.hashes.entries()) this.occupy(hash, place);
  }
}

/** The slot where a look-up begins. It depends on the high bits, which all characters affect. Slots have even numbers. */
function homeOf(hash: number): number {
  return (Math.imul(hash, 0x9e3779b1) >>> 12) & ~1;
}
