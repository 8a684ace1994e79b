// Field blocks in all forms that HPACK allows, valid ones and damaged ones (RFC 7541).
import { encodeHuffman, huffmanLength } from '../../../core/http/h2/huffman.ts';
import { staticCount, staticNames, staticValues } from '../../../core/http/h2/static-table.ts';
import { emptySettings, frame, preface } from '../../core/http/h2/frame-bytes.ts';
import type { Random } from '../../support/random.ts';

/** Name and value, latin1. */
export type Field = readonly [name: string, value: string];

const values = ['', 'a', '0', 'gzip, deflate', 'text/html; charset=utf-8', 'x'.repeat(70)];
const names = ['x-mine', 'x-other', 'accept', 'cache-control', 'user-agent', 'x'.repeat(130)];

/** Returns a field that may occur again. */
export function randomField(random: Random): Field {
  const kind = random.below(8);
  if (kind < 2) {
    const index = 1 + random.below(staticCount);
    return [staticNames[index] ?? '', staticValues[index] ?? ''];
  }
  if (kind < 5) return [random.of(names), random.of(values)];
  const index = 1 + random.below(staticCount);
  return [kind === 5 ? (staticNames[index] ?? '') : `x-${random.below(40)}`, randomText(random)];
}

function randomText(random: Random): string {
  if (random.below(300) === 0) return '~x'.repeat(random.below(500));
  if (random.below(3) > 0) return `value ${random.below(2000)}`;
  const isPlain = random.below(2) === 0;
  let text = '';
  for (let length = random.below(25); length > 0; length--) {
    text += String.fromCharCode(isPlain ? 32 + random.below(95) : random.below(256));
  }
  return text;
}

/** An encoder that uses any allowed form, not the shortest; it keeps a table to know what it may refer to. */
export class WildEncoder {
  private table: Field[] = [];
  private size = 0;
  private limit = 4096;
  private bytes: number[] = [];

  /** Encodes these fields as one block. */
  block(fields: readonly Field[], random: Random): Buffer {
    this.bytes = [];
    for (let updates = random.below(20) === 0 ? 1 + random.below(2) : 0; updates > 0; updates--) {
      this.limit = random.of([0, 32, 100, 1000, 4095, 4096]);
      this.integer(0x20, 0x1f, this.limit);
      this.evict(this.limit);
    }
    for (const [name, value] of fields) this.field(name, value, random);
    return Buffer.from(this.bytes);
  }

  private field(name: string, value: string, random: Random): void {
    const whole = this.find(([n, v]) => n === name && v === value, random);
    if (whole > 0 && random.below(4) > 0) {
      this.integer(0x80, 0x7f, whole);
      return;
    }
    const named = this.find(([n]) => n === name, random);
    const [pattern, prefix] = random.of([
      [0x40, 0x3f],
      [0x40, 0x3f],
      [0, 0x0f],
      [0x10, 0x0f],
    ] as const);
    const index = named > 0 && random.below(4) > 0 ? named : 0;
    this.integer(pattern, prefix, index);
    if (index === 0) this.text(name, random);
    this.text(value, random);
    if (pattern === 0x40) this.add(name, value);
  }

  /** Returns the index of a random match; 0: none. */
  private find(fits: (field: Field) => boolean, random: Random): number {
    const found: number[] = [];
    for (let n = 1; n <= staticCount; n++) {
      if (fits([staticNames[n] ?? '', staticValues[n] ?? ''])) found.push(n);
    }
    for (const [n, field] of this.table.entries()) if (fits(field)) found.push(staticCount + 1 + n);
    return found.length === 0 ? 0 : random.of(found);
  }

  private add(name: string, value: string): void {
    const size = name.length + value.length + 32;
    this.evict(this.limit - size);
    if (size > this.limit) return;
    this.table.unshift([name, value]);
    this.size += size;
  }

  private evict(most: number): void {
    while (this.size > most && this.table.length > 0) {
      const [name = '', value = ''] = this.table.pop() ?? [];
      this.size -= name.length + value.length + 32;
    }
  }

  private integer(pattern: number, prefix: number, value: number): void {
    if (value < prefix) {
      this.bytes.push(pattern | value);
      return;
    }
    this.bytes.push(pattern | prefix);
    let rest = value - prefix;
    for (; rest >= 0x80; rest >>>= 7) this.bytes.push(0x80 | (rest & 0x7f));
    this.bytes.push(rest);
  }

  private text(text: string, random: Random): void {
    const coded = Buffer.alloc(Math.max(1, huffmanLength(text)) + 8);
    if (random.below(2) === 0) {
      const end = encodeHuffman(text, coded, 0);
      this.integer(0x80, 0x7f, end);
      this.bytes.push(...coded.subarray(0, end));
    } else {
      this.integer(0, 0x7f, text.length);
      this.bytes.push(...Buffer.from(text, 'latin1'));
    }
  }
}

/** The blocks of one connection; a third of the connections have damaged ones. */
export function blocksOf(random: Random): Buffer[] {
  const encoder = new WildEncoder();
  const blocks = Array.from({ length: 1 + random.below(24) }, () =>
    encoder.block(
      Array.from({ length: random.below(9) }, () => randomField(random)),
      random,
    ),
  );
  if (random.below(3) === 0) for (let count = 1 + random.below(2); count > 0; count--) damage(blocks, random);
  return blocks;
}

function damage(blocks: Buffer[], random: Random): void {
  const at = random.below(blocks.length);
  const block = blocks[at] ?? Buffer.alloc(0);
  const kind = random.below(4);
  if (kind === 0) blocks[at] = block.subarray(0, random.below(block.length + 1));
  else if (kind === 1)
    blocks[at] = Buffer.from(Array.from({ length: random.below(16) }, () => random.below(256)));
  else if (block.length > 0) {
    const pos = random.below(block.length);
    block[pos] = kind === 2 ? random.below(256) : (block[pos] ?? 0) ^ (1 << random.below(8));
  }
}

const pseudo: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/'],
];
/** Fields that mean nothing to a server. */
const plainNames = ['x-mine', 'x-other', 'accept', 'cache-control', 'user-agent', 'etag', 'x'.repeat(130)];

/** A client whose requests are field blocks in all forms; one of them may be damaged. */
export function requestsCase(random: Random): Buffer[] {
  const encoder = new WildEncoder();
  const pieces = [Buffer.from(preface + emptySettings, 'latin1')];
  const damaged = random.below(3) === 0 ? 1 + random.below(10) : 0;
  for (let count = 1; count <= 10; count++) {
    const fields = Array.from({ length: random.below(9) }, (): Field => {
      const value = random.below(2) === 0 ? random.of(values) : `value ${random.below(300)}`;
      return [random.of(plainNames), value];
    });
    const block = encoder.block([...pseudo, ...fields], random);
    if (count === damaged) block[random.below(block.length)] = 0x80 | random.below(128);
    pieces.push(Buffer.from(frame(1, 5, 2 * count - 1, block.toString('latin1')), 'latin1'));
  }
  return pieces;
}
