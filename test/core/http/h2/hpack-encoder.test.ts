// HpackEncoder: what it writes decodes to the same fields, and the tables of both sides stay the same.
import * as assert from 'uvu/assert';
import { FieldBlock } from '../../../../core/http/h2/field-block.ts';
import { HpackDecoder } from '../../../../core/http/h2/hpack-decoder.ts';
import { HpackEncoder } from '../../../../core/http/h2/hpack-encoder.ts';
import { staticCount, staticNames, staticValues } from '../../../../core/http/h2/static-table.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';
import { examples, type Field } from './hpack-examples.ts';

const test = suite('HpackEncoder');

function encode(encoder: HpackEncoder, fields: readonly Field[]): Buffer {
  encoder.begin();
  for (const [name, value] of fields) encoder.field(name, value);
  return Buffer.from(encoder.end());
}

function decode(decoder: HpackDecoder, block: Buffer): Field[] {
  const fields: Field[] = [];
  const taken = decoder.decode(block, 0, block.length, {
    onField: (name, value) => fields.push([name, value]),
  });
  assert.ok(taken, decoder.problem);
  return fields;
}

test('it writes the RFC’s requests as the RFC does', () => {
  for (const { section, tableSize, blocks } of examples) {
    if (!section.startsWith('C.4')) continue;
    const encoder = new HpackEncoder(tableSize);
    for (const { wire, fields } of blocks) {
      assert.is(encode(encoder, fields).toString('hex'), wire.replaceAll(' ', ''));
    }
  }
});

test('all fields of the RFC decode to themselves', () => {
  for (const { tableSize, blocks } of examples) {
    const encoder = new HpackEncoder(tableSize);
    const decoder = new HpackDecoder();
    for (const { fields } of blocks) assert.equal(decode(decoder, encode(encoder, fields)), fields);
  }
});

test('a field of the static table is one byte', () => {
  for (let index = 1; index <= staticCount; index++) {
    const value = staticValues[index] ?? '';
    if (value === '') continue;
    const block = encode(new HpackEncoder(), [[staticNames[index] ?? '', value]]);
    assert.equal([...block], [0x80 | index]);
  }
});

test('an empty date is written, even if it is the first', () => {
  const block = new FieldBlock();
  block.repeatedText('');
  assert.is(block.take().toString('hex'), '00');
  assert.equal(decode(new HpackDecoder(), encode(new HpackEncoder(), [['date', '']])), [['date', '']]);
});

test('a repeated block takes one byte per field', () => {
  const encoder = new HpackEncoder();
  const fields: Field[] = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/api/items'],
    [':authority', 'shop.example'],
    ['user-agent', 'test/1.0'],
    ['accept', '*/*'],
    ['x-own', 'a value of somebody'],
    ['x-own', 'another one'],
  ];
  encode(encoder, fields);
  assert.is(encode(encoder, fields).length, fields.length);
});

test('secrets are never indexed, however often they come', () => {
  const encoder = new HpackEncoder();
  for (const name of ['authorization', 'cookie', 'proxy-authorization']) {
    const first = encode(encoder, [[name, 'a secret']]);
    const second = encode(encoder, [[name, 'a secret']]);
    assert.is((first[0] ?? 0) & 0xf0, 0x10, name);
    assert.equal(second, first);
  }
});

test('a field can be kept out of all tables', () => {
  const encoder = new HpackEncoder();
  encode(encoder, [['x-token', 'abc']]);
  encoder.begin();
  encoder.neverIndexed('x-token', 'abc');
  const block = Buffer.from(encoder.end());
  assert.is(block[0], 0x10);
  assert.equal(decode(new HpackDecoder(), block), [['x-token', 'abc']]);
});

test('fields of a single response or request evict nothing', () => {
  const encoder = new HpackEncoder();
  encode(encoder, [['x-kept', 'kept']]);
  for (let i = 0; i < 1000; i++) {
    encode(encoder, [
      [':path', `/search?q=${i}`],
      ['content-length', `${i}`],
      ['date', `Mon, 21 Oct 2013 20:13:${i} GMT`],
      ['etag', `"${i}"`],
      ['set-cookie', `session=${i}`],
      ['location', `/${i}`],
      ['authorization', `Bearer ${i}`],
      ['cookie', `session=${i}`],
    ]);
  }
  assert.is(encode(encoder, [['x-kept', 'kept']]).length, 1);
});

test('a name whose values never repeat stops taking entries, and takes them again once they do', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  encode(encoder, [['x-kept', 'kept']]);
  let entries = 0;
  for (let i = 0; i < 400; i++) {
    const block = encode(encoder, [['x-request-id', `id-${i}`]]);
    if (((block[0] ?? 0) & 0x40) !== 0) entries++;
  }
  assert.ok(entries <= 30, `${entries} entries`);
  assert.is(encode(encoder, [['x-kept', 'kept']]).length, 1);
  let repeated = 0;
  for (let i = 0; i < 40; i++) {
    if (encode(encoder, [['x-request-id', 'the same']]).length === 1) repeated++;
  }
  assert.ok(repeated >= 20, `${repeated} were found`);
  assert.is(decoder.problem, '');
});

test('one field does not fill the whole table', () => {
  const encoder = new HpackEncoder();
  encode(encoder, [['x-kept', 'kept']]);
  for (let i = 0; i < 3; i++) encode(encoder, [['x-large', `${i}`.repeat(3500)]]);
  assert.is(encode(encoder, [['x-kept', 'kept']]).length, 1);
});

test('Huffman coding is used only where it is shorter', () => {
  const wide = '\xe9'.repeat(10);
  const block = encode(new HpackEncoder(), [['etag', wide]]);
  assert.is(block.at(-11), 10);
  assert.is(block.toString('latin1').endsWith(wide), true);
  assert.is(encode(new HpackEncoder(), [['etag', 'aaaaaaaa']]).length, 3 + 5);
  const long = '\xe9'.repeat(100);
  assert.equal(decode(new HpackDecoder(), encode(new HpackEncoder(), [['etag', long]])), [['etag', long]]);
});

test('it refuses characters beyond latin1, which could become line ends', () => {
  const wrong: Field[] = [
    ['x-a', 'b\u010a'],
    ['etag', '\u{1f600}'],
    ['x-\u0100', 'b'],
  ];
  for (const [name, value] of wrong) {
    const encoder = new HpackEncoder();
    encoder.begin();
    assert.throws(() => encoder.field(name, value), /beyond latin1/);
  }
});

test('the next block announces the size of the peer’s table, the smallest one first', () => {
  const encoder = new HpackEncoder(4096);
  const updates = (): string => {
    encoder.begin();
    return Buffer.from(encoder.end()).toString('hex');
  };
  assert.is(updates(), '');
  encoder.setMaxTableSize(65_536);
  assert.is(updates(), '');
  encoder.setMaxTableSize(0);
  encoder.setMaxTableSize(100);
  assert.is(updates(), '203f45');
  assert.is(updates(), '');
  encoder.setMaxTableSize(4096);
  assert.is(updates(), '3fe11f');
  encoder.setMaxTableSize(10);
  encoder.setMaxTableSize(4096);
  assert.is(updates(), '2a3fe11f');
});

test('a limit other than 4096 bytes is respected', () => {
  const small = new HpackEncoder(64);
  small.begin();
  assert.is(Buffer.from(small.end()).toString('hex'), '3f21');
  const large = new HpackEncoder(8192);
  large.begin();
  assert.is(large.end().length, 0);
  large.setMaxTableSize(8192);
  large.begin();
  assert.is(Buffer.from(large.end()).toString('hex'), '3fe13f');
  const none = new HpackEncoder(0);
  assert.equal(decode(new HpackDecoder(), encode(none, [['x-a', 'b']])), [['x-a', 'b']]);
  assert.equal([...encode(none, [['x-a', 'b']])].slice(0, 1), [0]);
});

test('a block that another encoder interrupts is not returned', () => {
  const [first, second] = [new HpackEncoder(), new HpackEncoder()];
  first.begin();
  first.field('x-a', 'b');
  second.begin();
  assert.throws(() => first.end(), /another field block/);
  assert.is(second.end().length, 0);
  assert.throws(() => second.end(), /another field block/);
});

test('a block may be as long as a head, longer than the buffer that is kept', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder();
  for (const count of [1, 10, 300, 10]) {
    const fields: Field[] = [];
    for (let i = 0; i < count; i++) fields.push([`x-${i}`, `${i}`.repeat(100)]);
    assert.equal(decode(decoder, encode(encoder, fields)), fields);
  }
  encoder.begin();
  const large = 'x'.repeat(1_000_000);
  assert.throws(() => {
    for (let i = 0; i < 5; i++) encoder.field('x-large', large);
  }, /field block over/);
});

test('a block is correct after one of the same length in other memory', () => {
  const encoder = new HpackEncoder();
  // Both have the same length; the last, short string of the first needed more room than it used.
  const large: Field[] = [
    ['etag', '\xe8'.repeat(16_362)],
    ['etag', '\xe9'.repeat(10)],
  ];
  const kept: Field[] = [['etag', '\xea'.repeat(16_375)]];
  for (const fields of [large, kept, large, kept]) {
    const block = encode(encoder, fields);
    assert.is(block.length, 16_380);
    assert.equal(decode(new HpackDecoder(), block), fields);
  }
});

/** Names and values like those of heads: some repeat, some never do. */
function randomField(random: (n: number) => number): Field {
  const index = 1 + random(staticCount);
  const name = random(2) === 0 ? (staticNames[index] ?? '') : `x-${'abc'.repeat(random(5))}${random(40)}`;
  if (random(3) === 0) return [name, staticValues[index] ?? ''];
  let value = '';
  const length = random(30) === 0 ? random(3000) : random(40);
  const alphabet = random(4) === 0 ? 256 : 3;
  for (let i = 0; i < length; i++)
    value += String.fromCharCode(alphabet === 3 ? 97 + random(3) : random(256));
  return [name, random(2) === 0 ? `${random(4)}` : value];
}

test('random blocks decode to themselves while the table changes its size', () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = randomOf(seed);
    const limit = [0, 64, 256, 4096, 16_384][random(5)] ?? 0;
    const encoder = new HpackEncoder(limit);
    const decoder = new HpackDecoder(65_536);
    // The decoder's table has the size that the encoder was last given.
    encoder.setMaxTableSize(limit);
    for (let run = 0; run < 200; run++) {
      for (let changes = random(20) === 0 ? 1 + random(3) : 0; changes > 0; changes--) {
        encoder.setMaxTableSize(random(2) === 0 ? random(300) : random(20_000));
      }
      const fields = Array.from({ length: random(15) }, () => randomField(random));
      assert.equal(decode(decoder, encode(encoder, fields)), fields, `seed ${seed}`);
    }
  }
});
