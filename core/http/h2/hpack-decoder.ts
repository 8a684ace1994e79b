// HpackDecoder: turns field blocks into fields (RFC 7541); nothing is guessed: what is not well-formed is an error.
import { DynamicTable } from './dynamic-table.ts';
import { decodeHuffman } from './huffman.ts';
import { staticCount, staticNames, staticValues } from './static-table.ts';

/** Receives the fields. */
export interface FieldReceiver {
  /** A field in the order of the block, as latin1. Its characters are not checked. */
  onField(name: string, value: string): void;
  /** Precedes {@link onField} of a field that must stay out of all tables, also on later hops (section 6.2.3). */
  onNeverIndexed?(name: string): void;
}

const failed = -1;
const maxInteger = 2 ** 31 - 1;
/** Bytes of an integer behind its prefix: enough for 2^31. */
const maxContinuations = 5;
/** RFC 7541 section 4.2: the smallest size in between, and the last one. */
const maxSizeUpdates = 2;

/** Decodes the field blocks of one connection, which must all come here, in their order. */
export class HpackDecoder {
  /** Why the last block was refused; '' when it was not. */
  problem = '';
  private readonly table: DynamicTable;
  private readonly maxTableSize: number;
  /** Where the last item read ends. */
  private next = 0;

  /** `maxTableSize`: the announced SETTINGS_HEADER_TABLE_SIZE, bytes. */
  constructor(maxTableSize = 4096) {
    this.maxTableSize = maxTableSize;
    this.table = new DynamicTable(maxTableSize);
  }

  /**
   * Hands on the fields of `block[start, end)`. False: a COMPRESSION_ERROR, after which the connection is unusable; some
   * fields may have been handed on. A literal is never longer than 8/5 of the block; references can repeat a string any
   * number of times, so the receiver bounds the size and the number of fields.
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

  /** Hands on the field of an index (RFC 7541 section 2.3.3); false if there is none. */
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

  /** Returns the index behind the size updates (RFC 7541 section 6.3); most blocks have none. */
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

  /** Reads a literal field (RFC 7541 section 6.2) at `start`. Returns the index behind it. */
  private readLiteral(block: Buffer, start: number, end: number, receiver: FieldReceiver): number {
    const first = block[start] ?? 0;
    const indexed = first >= 0x40;
    if (!indexed && first >= 0x20) return this.refuse('a table size update behind a field');
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

  /** Reads a string (RFC 7541 section 5.2) at `start`. */
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

  /** Reads an integer (RFC 7541 section 5.1) at `start`, whose first bits are those of `prefix`. */
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
