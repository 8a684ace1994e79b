// DynamicTable: the fields that both ends of a connection remember (RFC 7541 sections 2.3.2 and 4), as a ring buffer.

/** Bytes that an entry counts in addition to its name and value (RFC 7541 section 4.1). */
export const entryOverhead = 32;

/** One direction's table. Names and values are latin1, so their characters are their bytes. */
export class DynamicTable {
  /** How many entries it holds. */
  count = 0;
  /** How many entries have ever been added, modulo 2^32. */
  added = 0;
  /** The size that it may grow to, in bytes as counted by HPACK. */
  maxSize: number;
  private size = 0;
  private readonly names: string[] = [];
  private readonly values: string[] = [];
  private readonly mask: number;

  /** `limit`: the largest `maxSize` that may be set later. */
  constructor(limit: number) {
    this.maxSize = limit;
    this.mask = slotsFor(limit) - 1;
  }

  /** The name of an entry; `distance`: how many entries were added after it. */
  name(distance: number): string {
    return this.names[(this.added - distance) & this.mask] ?? '';
  }

  /** The value of the same entry. */
  value(distance: number): string {
    return this.values[(this.added - distance) & this.mask] ?? '';
  }

  /** Adds an entry and evicts others for it. An entry larger than the table empties it and is not added. */
  add(name: string, value: string): void {
    const size = name.length + value.length + entryOverhead;
    this.evictTo(this.maxSize - size);
    if (size > this.maxSize) return;
    this.added = (this.added + 1) >>> 0;
    const slot = this.added & this.mask;
    this.names[slot] = name;
    this.values[slot] = value;
    this.size += size;
    this.count++;
  }

  /** Sets the maximum, up to the limit, and evicts what exceeds it (RFC 7541 section 4.3). */
  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.evictTo(maxSize);
  }

  private evictTo(size: number): void {
    while (this.size > size && this.count > 0) {
      const slot = (this.added - --this.count) & this.mask;
      this.size -= (this.names[slot] ?? '').length + (this.values[slot] ?? '').length + entryOverhead;
      // Evicted strings must not stay in memory.
      this.names[slot] = '';
      this.values[slot] = '';
    }
  }
}

/** Returns a power of two above the number of entries that fit in a table of this size. */
export function slotsFor(size: number): number {
  let slots = 1;
  while (slots <= size / entryOverhead) slots *= 2;
  return slots;
}
