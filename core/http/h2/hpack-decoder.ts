// HpackDecoder: turns field blocks into fields (RFC 7541). Anything that is not well-formed is an error.
import { DynamicTable } from './dynamic-table.ts';
import { decodeHuffman } from './huffman.ts';
import { staticCount, staticNames, staticValues } from './static-table.ts';

/** Receives the decoded fields. */
export interface FieldReceiver {
  /** The next field of the block, as latin1. Its characters are not checked. */
  onField(name: string, value: string): void;
  /** Precedes {@link onField} for a field that must stay out of all tables, on later hops too (section 6.2.3). */
  onNeverIndexed?(name: string): void;
}

const failed = -1;
const maxInteger = 2 ** 31 - 1;
/** The most bytes of an integer after its prefix: enough for 2^31. */
const maxContinuations = 5;
/** RFC 7541 section 4.2: the smallest size since the last block, then the final one. */
const maxSizeUpdates = 2;

/** Decodes the field blocks of one connection. It must get all of them, in order. */
export class HpackDecoder {
  /** Why the last block was refused; '' if it was not. */
  problem = '';
  private readonly table: DynamicTable;
  private readonly maxTableSize: number;
  /** The index after the last item read. */
  private next = 0;

  /** `maxTableSize`: the announced SETTINGS_HEADER_TABLE_SIZE, bytes. */
  constructor(maxTableSize = 4096) {
    this.maxTableSize = maxTableSize;
    this.table = new DynamicTable(maxTableSize);
  }

  /**
   * Hands on the fields of `block[start, end)`. Returns false for a COMPRESSION_ERROR, after which the connection is unusable;
   * some fields may have been handed on by then. A literal is never longer than 8/5 of the block, but references can repeat a
   * string any number of times, so the receiver must limit the size and number of fields.
   */
  decode(block: Buffer, start: number, end: number, receiver: FieldReceiver): boolean {
    this.problem = '';
    let pos = this.readSizeUpdates(block, start, end);
    while (pos >= 0 && pos < end) {
      const first = block[pos] ?? 0;
      if (first < 0x80) {
        pos = this.readLiteral(block, pos, end, receiver);
      } else if (first < 0xff) {
        pos = this.handOn(first & 0x7f, receiver) ? pos + 1 : failed;
      } else {
        const index = this.readInteger(block, pos, end, 0x7f);
        pos = index > 0 && this.handOn(index, receiver) ? this.next : failed;
      }
    }
    return pos >= 0;
  }

  /** Hands on the field with this index (RFC 7541 section 2.3.3). Returns false if there is none. */
  private handOn(index: number, receiver: FieldReceiver): boolean {
    if (index > staticCount) {
      const { table } = this;
      const distance = index - staticCount - 1;
      if (distance >= table.count) return this.fail('an index beyond the table');
      receiver.onField(table.name(distance), table.value(distance));
      return true;
    }
    if (index === 0) return this.fail('the index 0');
    receiver.onField(staticNames[index] ?? '', staticValues[index] ?? '');
    return true;
  }

  private refuse(problem: string): typeof failed {
    this.problem = problem;
    return failed;
  }

  private fail(problem: string): false {
    this.problem = problem;
    return false;
  }

  /** Reads the table size updates (RFC 7541 section 6.3), which most blocks do not have. Returns the index after them. */
  private readSizeUpdates(block: Buffer, start: number, end: number): number {
    let pos = start;
    for (let updates = 0; pos < end && ((block[pos] ?? 0) & 0xe0) === 0x20; updates++) {
      if (updates === maxSizeUpdates) return this.refuse('more than two table size updates');
      const size = this.readInteger(block, pos, end, 0x1f);
      if (size < 0) return failed;
      if (size > this.maxTableSize) return this.refuse('a table size over the limit');
      this.table.resize(size);
      pos = this.next;
    }
    return pos;
  }

  /** Reads the literal field at `start` (RFC 7541 section 6.2). Returns the index after it. */
  private readLiteral(block: Buffer, start: number, end: number, receiver: FieldReceiver): number {
    const first = block[start] ?? 0;
    const indexed = first >= 0x40;
    if (!indexed && first >= 0x20) return this.refuse('a table size update after a field');
    const index = this.readInteger(block, start, end, indexed ? 0x3f : 0x0f);
    if (index < 0) return failed;
    const name = index === 0 ? this.readString(block, this.next, end) : this.nameAt(index);
    if (name === undefined) return failed;
    const value = this.readString(block, this.next, end);
    if (value === undefined) return failed;
    if (indexed) this.table.add(name, value);
    if (!indexed && first >= 0x10) receiver.onNeverIndexed?.(name);
    receiver.onField(name, value);
    return this.next;
  }

  private nameAt(index: number): string | undefined {
    if (index <= staticCount) return staticNames[index];
    const distance = index - staticCount - 1;
    if (distance < this.table.count) return this.table.name(distance);
    this.refuse('an index beyond the table');
    return undefined;
  }

  /** Reads the string at `start` (RFC 7541 section 5.2). */
  private readString(block: Buffer, start: number, end: number): string | undefined {
    if (start >= end) return this.refuseString('a block that ends within a field');
    const length = this.readInteger(block, start, end, 0x7f);
    if (length < 0) return undefined;
    const from = this.next;
    if (length > end - from) return this.refuseString('a block that ends within a string');
    const to = from + length;
    this.next = to;
    if (((block[start] ?? 0) & 0x80) === 0) return block.toString('latin1', from, to);
    const text = decodeHuffman(block, from, to);
    return text ?? this.refuseString('a malformed Huffman code');
  }

  private refuseString(problem: string): undefined {
    this.refuse(problem);
  }

  /** Reads the integer at `start` (RFC 7541 section 5.1). `prefix`: the mask of its bits in the first byte. */
  private readInteger(block: Buffer, start: number, end: number, prefix: number): number {
    let value = (block[start] ?? 0) & prefix;
    let pos = start + 1;
    this.next = pos;
    if (value < prefix) return value;
    const limit = pos + maxContinuations;
    for (let scale = 1; pos < limit; scale *= 128) {
      if (pos >= end) return this.refuse('a block that ends within an integer');
      const byte = block[pos++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      this.next = pos;
      return value <= maxInteger ? value : this.refuse('an integer over 2^31');
    }
    return this.refuse('an integer of over six bytes');
  }
}
