// HpackDecoder: the RFC's examples, and an error for everything that it forbids.
import * as assert from 'uvu/assert';
import { type FieldReceiver, HpackDecoder } from '../../../../core/http/h2/hpack-decoder.ts';
import { staticCount, staticNames, staticValues } from '../../../../core/http/h2/static-table.ts';
import { suite } from '../../../support/suite.ts';
import { examples, type Field } from './hpack-examples.ts';

const test = suite('HpackDecoder', { ownProcess: true });

class Fields implements FieldReceiver {
  list: Field[] = [];
  onField(name: string, value: string): void {
    this.list.push([name, value]);
  }
}

/** Decodes a block from the middle of a buffer; undefined if it is refused. */
function decode(decoder: HpackDecoder, wire: string): Field[] | undefined {
  const fields = new Fields();
  const block = Buffer.from(`82${wire.replaceAll(' ', '')}82`, 'hex');
  if (!decoder.decode(block, 1, block.length - 1, fields)) {
    assert.is.not(decoder.problem, '', wire);
    return undefined;
  }
  assert.is(decoder.problem, '');
  return fields.list;
}

function refuses(wire: string, problem: RegExp, tableSize?: number): void {
  const decoder = new HpackDecoder(tableSize);
  assert.is(decode(decoder, wire), undefined, `it accepts ${wire}`);
  assert.match(decoder.problem, problem);
}

for (const { section, tableSize, blocks } of examples) {
  test(`it decodes RFC 7541 appendix ${section}`, () => {
    const decoder = new HpackDecoder(tableSize);
    for (const { wire, fields } of blocks) assert.equal(decode(decoder, wire), fields);
  });
}

test('it knows all of the static table', () => {
  for (let index = 1; index <= staticCount; index++) {
    const wire = (0x80 | index).toString(16);
    assert.equal(decode(new HpackDecoder(), wire), [[staticNames[index], staticValues[index]]]);
  }
});

test('it accepts an empty block, an empty name and empty values', () => {
  assert.equal(decode(new HpackDecoder(), ''), []);
  assert.equal(decode(new HpackDecoder(), '40 00 00'), [['', '']]);
  assert.equal(decode(new HpackDecoder(), '40 80 80'), [['', '']]);
});

test('it returns latin1', () => {
  assert.equal(decode(new HpackDecoder(), '00 01 ff 02 00 e9'), [['\xff', '\0\xe9']]);
});

test('it returns the same strings for repeated references', () => {
  const decoder = new HpackDecoder();
  const large = 'x'.repeat(3000);
  const length = Buffer.from([0x7f, 0x80 | (2873 & 0x7f), 2873 >> 7]).toString('hex');
  decode(decoder, `40 0161 ${length} ${Buffer.from(large).toString('hex')}`);
  const before = process.memoryUsage().heapUsed;
  const fields = decode(decoder, 'be'.repeat(20_000));
  assert.is(fields?.length, 20_000);
  assert.is(fields?.at(-1)?.[1], large);
  assert.ok(process.memoryUsage().heapUsed - before < 20e6, 'references were copied');
});

test('it reports which fields must never be indexed', () => {
  const decoder = new HpackDecoder();
  const told: string[] = [];
  const block = Buffer.from('82 00016101ff 10016201ff 1f080163 40016401ff be'.replaceAll(' ', ''), 'hex');
  const receiver = {
    onField: (name: string): void => void told.push(name),
    onNeverIndexed: (name: string): void => void told.push(`never ${name}`),
  };
  assert.ok(decoder.decode(block, 0, block.length, receiver));
  assert.equal(told, [':method', 'a', 'never b', 'b', 'never authorization', 'authorization', 'd', 'd']);
});

test('it refuses an index without an entry', () => {
  refuses('80', /index 0/);
  refuses('be', /beyond/);
  refuses('ff 00', /beyond/);
  refuses('7e 01 61', /beyond/);
  refuses('0f 2f 01 61', /beyond/);
  refuses('1f 2f 01 61', /beyond/);
});

test('it refuses integers over 2^31, and of too many bytes', () => {
  refuses('ff 80 ff ff ff 0f', /2\^31/);
  refuses('ff ff ff ff ff 7f', /2\^31/);
  refuses('ff 80 80 80 80 80 00', /six bytes/);
  refuses('7f ff ff ff ff ff ff ff ff ff 01', /six bytes/);
  refuses('00 7f 80 80 80 80 80 80 00', /six bytes/);
});

test('it accepts integers that are longer than necessary', () => {
  assert.equal(decode(new HpackDecoder(), '40 0161 7f 80 00'), undefined);
  assert.equal(decode(new HpackDecoder(), `40 0161 7f 80 00 ${'62'.repeat(127)}`), [['a', 'b'.repeat(127)]]);
  assert.equal(decode(new HpackDecoder(), `40 0161 7f 80 80 80 80 00 ${'62'.repeat(127)}`), [
    ['a', 'b'.repeat(127)],
  ]);
});

test('it refuses a block that ends anywhere within a field', () => {
  for (const { blocks } of examples) {
    const [block] = blocks;
    const wire = block?.wire.replaceAll(' ', '') ?? '';
    const whole = block?.fields.length ?? 0;
    for (let end = 0; end < wire.length; end += 2) {
      const decoder = new HpackDecoder();
      const fields = decode(decoder, wire.slice(0, end));
      if (fields === undefined) assert.match(decoder.problem, /ends within/);
      else assert.ok(fields.length < whole);
    }
  }
  refuses('ff', /within an integer/);
  refuses('ff 80', /within an integer/);
  refuses('40', /within a field/);
  refuses('41', /within a field/);
  refuses('40 02 61', /within a string/);
  refuses('40 01 61', /within a field/);
  refuses('40 01 61 05 62', /within a string/);
});

test('it refuses malformed Huffman codes', () => {
  refuses('00 01 61 81 ff', /Huffman/);
  refuses('00 01 61 84 ff ff ff ff', /Huffman/);
  refuses('00 01 61 81 00', /Huffman/);
  refuses('00 81 ff 01 61', /Huffman/);
});

test('it accepts up to two table size updates at the start of a block', () => {
  const decoder = new HpackDecoder(4096);
  assert.equal(decode(decoder, '20 3f e1 1f 82'), [[':method', 'GET']]);
  assert.equal(decode(decoder, '20'), []);
  refuses('20 20 20', /more than two/);
  refuses('82 20', /after a field/);
  refuses('82 3f 00', /after a field/);
});

test('it refuses a table size above its limit', () => {
  refuses('3f e2 1f', /over the limit/, 4096);
  refuses('21', /over the limit/, 0);
  refuses('3f ff ff ff ff ff 01', /integer/);
  assert.equal(decode(new HpackDecoder(0), '20 40 0161 0162'), [['a', 'b']]);
});

test('a table size update evicts entries for good', () => {
  const decoder = new HpackDecoder();
  decode(decoder, '40 0161 0162 40 0163 0164');
  assert.equal(decode(decoder, '3f 03 be'), [['c', 'd']]);
  assert.is(decode(decoder, 'bf'), undefined);
});

test('an entry that fits exactly stays, and a table one byte smaller evicts it', () => {
  const decoder = new HpackDecoder();
  decode(decoder, '40 0161 0162');
  assert.equal(decode(decoder, '3f 03 be'), [['a', 'b']]);
  assert.is(decode(decoder, '3f 02 be'), undefined);
});

test('an entry that is larger than the table empties it', () => {
  const decoder = new HpackDecoder(64);
  assert.equal(decode(decoder, '40 0161 0162 be'), [
    ['a', 'b'],
    ['a', 'b'],
  ]);
  assert.equal(decode(decoder, `40 0161 20 ${'78'.repeat(32)}`), [['a', 'x'.repeat(32)]]);
  assert.is(decode(decoder, 'be'), undefined);
});

test('an entry may take its name from one that it evicts', () => {
  const decoder = new HpackDecoder(64);
  decode(decoder, `40 0161 14 ${'79'.repeat(20)}`);
  assert.equal(decode(decoder, `7e 1e ${'78'.repeat(30)}`), [['a', 'x'.repeat(30)]]);
  assert.equal(decode(decoder, 'be'), [['a', 'x'.repeat(30)]]);
});
