// TextTable: values by texts without regard to case, looked up where a text stands within a longer one: nothing is cut out
// of it, and so nothing is allocated.

/** What a hash begins with (FNV-1a). */
export const emptyHash = 0x811c9dc5 | 0;

/** A hash with one more character in it, whatever its case. */
export function hashWith(hash: number, code: number): number {
  return Math.imul(hash ^ folded(code), 0x01000193);
}

/** An ASCII letter in lower case, any other character as it is. */
function folded(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}

/** The order in which the characters of a text come into its hash: that in which who looks up comes by them. */
export type HashOrder = 'forwards' | 'backwards';

/** The hash of a whole text. */
export function hashOf(text: string, order: HashOrder): number {
  let hash = emptyHash;
  const { length } = text;
  for (let i = 0; i < length; i++)
    hash = hashWith(hash, text.charCodeAt(order === 'forwards' ? i : length - 1 - i));
  return hash;
}

/** A hash table with open addressing, at most half full. */
export class TextTable<V> {
  private readonly order: HashOrder;
  private readonly keys: string[] = [];
  private readonly values: V[] = [];
  /** Places in `keys` and `values`, by hash; -1: free. */
  private slots = new Int32Array(4).fill(-1);

  constructor(order: HashOrder) {
    this.order = order;
  }

  get size(): number {
    return this.keys.length;
  }

  /** The value of what stands in `text` from `start` to `end`, whose hash is `hash`. */
  find(text: string, start: number, end: number, hash: number): V | undefined {
    const { slots, keys } = this;
    const mask = slots.length - 1;
    for (let at = spread(hash) & mask; ; at = (at + 1) & mask) {
      const place = slots[at] ?? -1;
      if (place < 0) return undefined;
      if (isAt(text, start, end, keys[place] ?? '')) return this.values[place];
    }
  }

  get(text: string): V | undefined {
    return this.find(text, 0, text.length, hashOf(text, this.order));
  }

  /** Adds a text that is not in the table yet. */
  add(text: string, value: V): void {
    this.keys.push(text.toLowerCase());
    this.values.push(value);
    if (this.keys.length * 2 > this.slots.length) {
      this.slots = new Int32Array(this.slots.length * 2).fill(-1);
      for (let place = 0; place < this.keys.length; place++) this.put(place);
    } else this.put(this.keys.length - 1);
  }

  private put(place: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let at = spread(hashOf(this.keys[place] ?? '', this.order)) & mask;
    while ((slots[at] ?? -1) >= 0) at = (at + 1) & mask;
    slots[at] = place;
  }
}

/** The lowest bits of an FNV hash depend on the lowest bits of the characters alone. */
function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}

function isAt(text: string, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) {
    if (folded(text.charCodeAt(start + i)) !== key.charCodeAt(i)) return false;
  }
  return true;
}
