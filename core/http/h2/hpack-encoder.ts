// HpackEncoder: turns fields into field blocks (RFC 7541), and decides which fields the peer must remember.
import { DynamicTable, entryOverhead, slotsFor } from './dynamic-table.ts';
import { FieldBlock } from './field-block.ts';
import { findStaticField, findStaticName, nameHash, nameHashes, staticCount } from './static-table.ts';

/** The size of a peer's table unless its settings say otherwise (RFC 9113 section 6.5.2). */
const initialTableSize = 4096;

/** The forms of a field, as the bits before its index (RFC 7541 section 6). */
const form = { indexed: 0x80, remembered: 0x40, sizeUpdate: 0x20, never: 0x10, plain: 0 } as const;

/** The masks of a literal's index, by its form. */
const remembered = 0x3f;
const forgotten = 0x0f;

/** Names whose values belong to one resource or response. They would rarely be reused, and would evict values that are. */
const passing = [
  'age',
  'content-length',
  'content-range',
  'etag',
  'expires',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'range',
  'set-cookie',
];

/**
 * Names of secrets (RFC 7541 section 7.1.3). Many clients share the table of a connection to an upstream, so their secrets
 * are rarely reused there, and an attacker could guess remembered ones.
 */
const secret = ['authorization', 'cookie', 'proxy-authorization'];

const isPassing = 1;
const isSecret = 2;
const isPath = 3;
/** Short-lived, but the same for all responses within a second. */
const isDate = 4;
/** How a name is treated, by its first static index. */
const treatment = new Uint8Array(staticCount + 1);
for (const name of passing) treatment[findStaticName(name, nameHash(name))] = isPassing;
for (const name of secret) treatment[findStaticName(name, nameHash(name))] = isSecret;
treatment[findStaticName(':path', nameHash(':path'))] = isPath;
treatment[findStaticName('date', nameHash('date'))] = isDate;

/** The number of hash chains; a power of two. */
const chains = 64;

/** After this many unused entries in a row, a name's values are assumed not to repeat. */
const patience = 4;
/** From then on, only one value in this many gets an entry, as a trial. */
const trialEvery = 16;

/** The block that all encoders share, one at a time, so an idle connection holds none. */
const block = new FieldBlock();
let writer: HpackEncoder | undefined;

/**
 * Encodes all field blocks of one connection, in the order in which they are sent. A block that was begun must be sent, or
 * the peer's table would differ.
 */
export class HpackEncoder {
  private readonly table: DynamicTable;
  private readonly limit: number;
  /**
   * Entries, numbered as by {@link DynamicTable.added}, in chains by the hash of their names: first the newest of each chain,
   * then, by slot, the previous one in its chain. It is one array because creating two takes twice as long.
   */
  private readonly chained: Uint32Array;
  private readonly mask: number;
  /** How many entries in a row have not been used, by the hash of their name. */
  private readonly unused = new Uint8Array(nameHashes);
  /** The table size to announce, and the smallest one since the last block. */
  private nextSize: number;
  private smallestSize: number;

  /** `maxTableSize`: the most bytes to use of the table size that the peer allows. */
  constructor(maxTableSize = 4096) {
    this.limit = maxTableSize;
    this.table = new DynamicTable(maxTableSize);
    this.table.resize(initialTableSize);
    const slots = slotsFor(maxTableSize);
    this.chained = new Uint32Array(chains + slots);
    this.mask = slots - 1;
    this.nextSize = Math.min(maxTableSize, initialTableSize);
    this.smallestSize = this.nextSize;
  }

  /** Takes the peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the size updates of RFC 7541 section 4.2. */
  setMaxTableSize(size: number): void {
    this.nextSize = Math.min(size, this.limit);
    this.smallestSize = Math.min(this.smallestSize, this.nextSize);
  }

  /** Begins a block. */
  begin(): void {
    writer = this;
    block.clear();
    const { smallestSize, nextSize } = this;
    if (smallestSize !== this.table.maxSize) this.updateSize(smallestSize);
    if (nextSize !== this.table.maxSize) this.updateSize(nextSize);
    this.smallestSize = nextSize;
  }

  /**
   * Adds a field, its name in lower case. Throws a TypeError for characters beyond latin1 and a RangeError for a block over
   * 4 MiB; after either the connection is unusable. Heads within Weldr's limits cause neither.
   */
  field(name: string, value: string): void {
    const hash = nameHash(name);
    const index = findStaticName(name, hash);
    const match = index === 0 ? 0 : findStaticField(index, name, value);
    if (match > 0) {
      block.integer(form.indexed, 0x7f, match);
      return;
    }
    const treated = treatment[index] ?? 0;
    if (treated === isSecret) this.literal(form.never, forgotten, index, name, value);
    else if (treated === isPassing || (treated === isPath && value.includes('?'))) {
      this.literal(form.plain, forgotten, index, name, value);
    } else if (treated === isDate) {
      block.integer(form.plain, forgotten, index);
      block.repeatedText(value);
    } else this.entry(hash, index, name, value);
  }

  /** Adds a field that no hop may index (RFC 7541 section 6.2.3), its name in lower case. */
  neverIndexed(name: string, value: string): void {
    this.literal(form.never, forgotten, findStaticName(name, nameHash(name)), name, value);
  }

  /** Returns the block, valid until any encoder begins the next one. Throws an Error if that has already happened. */
  end(): Buffer {
    if (writer !== this) throw new Error('another field block was begun before this one was ended');
    writer = undefined;
    return block.take();
  }

  /** Adds a field by its entry, or adds a new entry if that is worth it. */
  private entry(hash: number, index: number, name: string, value: string): void {
    const { chained, mask, table } = this;
    const chain = hash & (chains - 1);
    let named = index;
    for (let entry = chained[chain] ?? 0; ; entry = chained[chains + (entry & mask)] ?? 0) {
      // An evicted entry is farther away than the oldest one.
      const distance = (table.added - entry) >>> 0;
      if (distance >= table.count) break;
      if (table.name(distance) !== name) continue;
      if (table.value(distance) === value) {
        this.unused[hash] = 0;
        block.integer(form.indexed, 0x7f, staticCount + 1 + distance);
        return;
      }
      if (named === 0) named = staticCount + 1 + distance;
    }
    if (!this.isWorthAnEntry(hash, name, value)) {
      this.literal(form.plain, forgotten, named, name, value);
      return;
    }
    this.literal(form.remembered, remembered, named, name, value);
    table.add(name, value);
    chained[chains + (table.added & mask)] = chained[chain] ?? 0;
    chained[chain] = table.added;
  }

  private literal(pattern: number, prefix: number, index: number, name: string, value: string): void {
    block.integer(pattern, prefix, index);
    if (index === 0) block.text(name);
    block.text(value);
  }

  private isWorthAnEntry(hash: number, name: string, value: string): boolean {
    // One entry must not evict nearly all others.
    if (name.length + value.length + entryOverhead > this.table.maxSize * 0.75) return false;
    const unused = this.unused[hash] ?? 0;
    if (unused >= patience + trialEvery) {
      this.unused[hash] = patience;
      return true;
    }
    this.unused[hash] = unused + 1;
    return unused < patience;
  }

  private updateSize(size: number): void {
    block.integer(form.sizeUpdate, 0x1f, size);
    this.table.resize(size);
  }
}
