// TextTable: values by texts without regard to case, looked up where a text stands within a longer one: nothing is cut out
// of it, and so nothing is allocated.

/** What a hash begins with. */
export const emptyHash = 0x811c9dc5 | 0;

/**
 * A hash with one more character in it. In place of its case it ignores one bit of every character, which is one operation;
 * that texts are the same is looked at anyway.
 */
export function hashWith(hash: number, code: number): number {
  return (Math.imul(hash, 31) + (code | 0x20)) | 0;
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

const few = 4;

/** A hash table with open addressing, at most half full. */
export class TextTable<V> {
  private readonly order: HashOrder;
  private readonly keys: string[] = [];
  private readonly values: V[] = [];
  /** A hash and behind it its place in `keys` and `values`, -1: free; two numbers each. */
  private slots = new Int32Array(8).fill(-1);

  constructor(order: HashOrder) {
    this.order = order;
  }

  get size(): number {
    return this.keys.length;
  }

  /** Are there so few texts that they are compared one by one, sooner than a hash is made? */
  get isSmall(): boolean {
    return this.keys.length <= few;
  }

  /** Like {@link find}, one by one. */
  findAmongFew(text: string, start: number, end: number): V | undefined {
    const { keys } = this;
    const first = text.charCodeAt(start) | 0x20;
    for (let place = 0; place < keys.length; place++) {
      const key = keys[place] ?? '';
      if (end - start !== key.length || (key.charCodeAt(0) | 0x20) !== first) continue;
      if (isAt(text, start, end, key)) return this.values[place];
    }
    return undefined;
  }

  /** The value of what stands in `text` from `start` to `end`, whose hash is `hash`. */
  find(text: string, start: number, end: number, hash: number): V | undefined {
    const { slots } = this;
    const mask = slots.length - 2;
    for (let at = firstSlot(hash) & mask; ; at = (at + 2) & mask) {
      const place = slots[at + 1] ?? -1;
      if (place < 0) return undefined;
      if (slots[at] === hash && isAt(text, start, end, this.keys[place] ?? '')) return this.values[place];
    }
  }

  get(text: string): V | undefined {
    return this.find(text, 0, text.length, hashOf(text, this.order));
  }

  /** Adds a text that is not in the table yet. */
  add(text: string, value: V): void {
    this.keys.push(text.toLowerCase());
    this.values.push(value);
    if (this.keys.length * 4 > this.slots.length) {
      this.slots = new Int32Array(this.slots.length * 2).fill(-1);
      for (let place = 0; place < this.keys.length; place++) this.put(place);
    } else this.put(this.keys.length - 1);
  }

  private put(place: number): void {
    const { slots } = this;
    const mask = slots.length - 2;
    const hash = hashOf(this.keys[place] ?? '', this.order);
    let at = firstSlot(hash) & mask;
    while ((slots[at + 1] ?? -1) >= 0) at = (at + 2) & mask;
    slots[at] = hash;
    slots[at + 1] = place;
  }
}

/** Mixes the high bits in, which depend on all characters; slots have even numbers. */
function firstSlot(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 15;
}

/** Does `key`, in lower case, stand in a text from `start` to `end`, in any case? */
export function isAt(text: string, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  // Whole strings are compared several times as fast, and most hosts and paths are written as they are here.
  if (text === key) return true;
  for (let i = 0; i < key.length; i++) {
    if (folded(text.charCodeAt(start + i)) !== key.charCodeAt(i)) return false;
  }
  return true;
}

/** An ASCII letter in lower case, any other character as it is. */
function folded(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}
