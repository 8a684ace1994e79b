// TextTable: values by case-insensitive text, looked up in place within a longer text, so that nothing is allocated.
import { emptyHash, HashTable, hashWith } from './hash-table.ts';

/** The order in which the characters of a text enter its hash: the one in which the look-up reads them. */
export type HashOrder = 'forwards' | 'backwards';

/** Returns the hash of a whole text. */
export function hashOf(text: string, order: HashOrder): number {
  let hash = emptyHash;
  const { length } = text;
  for (let i = 0; i < length; i++)
    hash = hashWith(hash, text.charCodeAt(order === 'forwards' ? i : length - 1 - i));
  return hash;
}

const few = 4;

interface Row<V> {
  /** In lower case. */
  readonly key: string;
  readonly value: V;
}

/** Values by texts. */
export class TextTable<V> {
  private readonly order: HashOrder;
  private readonly rows = new HashTable<Row<V>>();

  constructor(order: HashOrder) {
    this.order = order;
  }

  get size(): number {
    return this.rows.values.length;
  }

  /** Whether there are so few texts that comparing them one by one is faster than hashing. */
  get isSmall(): boolean {
    return this.rows.values.length <= few;
  }

  /** Like {@link find}, but compares one by one. */
  findAmongFew(text: string, start: number, end: number): V | undefined {
    const { values } = this.rows;
    const last = text.charCodeAt(end - 1) | 0x20;
    for (let place = 0; place < values.length; place++) {
      const row = values[place];
      if (row === undefined) break;
      const { key } = row;
      if (end - start !== key.length || (key.charCodeAt(key.length - 1) | 0x20) !== last) continue;
      if (isAt(text, start, end, key)) return row.value;
    }
    return undefined;
  }

  /** Returns the value of the text from `start` to `end`, whose hash is `hash`. */
  find(text: string, start: number, end: number, hash: number): V | undefined {
    return this.rowOf(text, start, end, hash)?.value;
  }

  get(text: string): V | undefined {
    return this.find(text, 0, text.length, hashOf(text, this.order));
  }

  /** Adds a text, which must not be in the table. */
  add(text: string, value: V): void {
    const key = text.toLowerCase();
    this.rows.add(hashOf(key, this.order), { key, value });
  }

  /** Removes a text, which may be missing. */
  remove(text: string): void {
    const hash = hashOf(text, this.order);
    const row = this.rowOf(text, 0, text.length, hash);
    if (row !== undefined) this.rows.remove(hash, row);
  }

  /** All values, in no order. */
  *values(): Generator<V> {
    for (const { value } of this.rows.values) yield value;
  }

  private rowOf(text: string, start: number, end: number, hash: number): Row<V> | undefined {
    const { rows } = this;
    for (let slot = rows.first(hash); slot >= 0; slot = rows.next(slot, hash)) {
      const row = rows.at(slot);
      if (row !== undefined && isAt(text, start, end, row.key)) return row;
    }
    return undefined;
  }
}

/** Returns whether the text from `start` to `end` is `key`, which is in lower case, ignoring case. */
export function isAt(text: string, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  // Comparing whole strings is several times faster, and most hosts and paths are in lower case.
  if (text.length === key.length ? text === key : text.startsWith(key, start)) return true;
  for (let i = 0; i < key.length; i++) {
    if (folded(text.charCodeAt(start + i)) !== key.charCodeAt(i)) return false;
  }
  return true;
}

/** Lower-cases an ASCII letter, and returns any other character as it is. */
function folded(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}
