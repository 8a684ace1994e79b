// FieldBlock: writes the bytes of a field block (RFC 7541 section 5) to reused memory.
import { encodeHuffman, huffmanLength } from './huffman.ts';

/** How much memory is kept between blocks, bytes. That of a larger block is freed. */
const keptBytes = 16 * 1024;
/** The most bytes of a block, more than any head within Weldr's limits. */
const maxBytes = 4 * 1024 * 1024;
/** Fewer characters than this are copied one by one, which is cheaper than a call. */
const shortText = 24;
/** Bytes of the longest integer: the prefix byte, and those of 2^31 after it. */
const integerBytes = 6;

/** The most bytes of a string that {@link FieldBlock.repeatedText} keeps. */
const repeatedBytes = 64;

/** Writes one block at a time. */
export class FieldBlock {
  private readonly kept = Buffer.allocUnsafeSlow(keptBytes);
  private bytes: Buffer = this.kept;
  private end = 0;
  private view: Buffer = this.kept.subarray(0, 0);
  private repeated: string | undefined = undefined;
  private readonly repeatedCode = new Uint8Array(repeatedBytes);
  private repeatedLength = 0;

  /** Starts a new block, and drops the last one. */
  clear(): void {
    this.end = 0;
    if (this.bytes === this.kept) return;
    this.bytes = this.kept;
    this.view = this.kept.subarray(0, 0);
  }

  /** Returns what was written, valid until the next {@link clear}. */
  take(): Buffer {
    // Consecutive blocks often have the same length, and creating a view costs as much as several fields.
    if (this.view.length !== this.end || this.bytes !== this.kept) {
      this.view = this.bytes.subarray(0, this.end);
    }
    return this.view;
  }

  /** Appends an integer (section 5.1). `pattern`: the bits before it. `prefix`: the mask of its bits in the first byte. */
  integer(pattern: number, prefix: number, value: number): void {
    this.reserve(integerBytes);
    const { bytes } = this;
    if (value < prefix) {
      bytes[this.end++] = pattern | value;
      return;
    }
    bytes[this.end++] = pattern | prefix;
    let rest = value - prefix;
    for (; rest >= 0x80; rest >>>= 7) bytes[this.end++] = 0x80 | (rest & 0x7f);
    bytes[this.end++] = rest;
  }

  /** Appends a string (section 5.2) in the shorter of its two forms. Throws a TypeError for characters beyond latin1. */
  text(text: string): void {
    const { length } = text;
    const coded = huffmanLength(text);
    if (coded < 0) throw new TypeError('a field with characters beyond latin1');
    this.reserve(integerBytes + length);
    if (coded < length) {
      this.integer(0x80, 0x7f, coded);
      this.end = encodeHuffman(text, this.bytes, this.end);
      return;
    }
    this.integer(0, 0x7f, length);
    if (length < shortText) {
      for (let i = 0; i < length; i++) this.bytes[this.end++] = text.charCodeAt(i);
    } else {
      this.end += this.bytes.write(text, this.end, 'latin1');
    }
  }

  /** Does the same as {@link text}, but faster if the text is that of the last call. */
  repeatedText(text: string): void {
    const { bytes, repeatedCode, end: start } = this;
    if (text === this.repeated && bytes.length - start >= repeatedBytes) {
      for (let i = 0; i < this.repeatedLength; i++) bytes[start + i] = repeatedCode[i] ?? 0;
      this.end = start + this.repeatedLength;
      return;
    }
    this.text(text);
    const length = this.end - start;
    if (length > repeatedBytes) return;
    this.repeated = text;
    this.repeatedLength = length;
    for (let i = 0; i < length; i++) repeatedCode[i] = this.bytes[start + i] ?? 0;
  }

  private reserve(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.bytes.length) return;
    if (needed > maxBytes) throw new RangeError(`a field block over ${maxBytes} bytes`);
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.end);
    this.bytes = larger;
  }
}
