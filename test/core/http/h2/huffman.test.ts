// The Huffman code: both ways for every octet, and an error for every invalid end.
import * as assert from 'uvu/assert';
import { decodeHuffman, encodeHuffman, huffmanLength } from '../../../../core/http/h2/huffman.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('Huffman code');

function encode(text: string): Buffer {
  const into = Buffer.alloc(huffmanLength(text) + 2, 0xaa);
  const end = encodeHuffman(text, into, 1);
  assert.is(end, into.length - 1);
  assert.is(into[0], 0xaa);
  assert.is(into.at(-1), 0xaa);
  return into.subarray(1, end);
}

const decode = (hex: string): string | undefined => {
  const bytes = Buffer.from(`00${hex.replaceAll(' ', '')}00`, 'hex');
  return decodeHuffman(bytes, 1, bytes.length - 1);
};

test("it encodes the RFC's examples", () => {
  assert.is(encode('www.example.com').toString('hex'), 'f1e3c2e5f23a6ba0ab90f4ff');
  assert.is(encode('no-cache').toString('hex'), 'a8eb10649cbf');
  assert.is(encode('').toString('hex'), '');
  assert.is(encode('\x0a').toString('hex'), 'fffffff3');
  assert.is(encode('\x00').toString('hex'), 'ffc7');
  assert.is(encode('\xff').toString('hex'), 'fffffbbf');
});

test('every pair of octets decodes to itself', () => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const text = String.fromCharCode(first, second);
      const code = encode(text);
      assert.is(decodeHuffman(code, 0, code.length), text);
    }
  }
});

test('random texts decode to themselves, long ones too', () => {
  const random = randomOf(1);
  for (let run = 0; run < 2000; run++) {
    const range = [128, 256][run & 1] ?? 256;
    const length = run % 100 === 0 ? random(40_000) : random(60);
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(random(range));
    const code = encode(text);
    assert.is(decodeHuffman(code, 0, code.length), text);
  }
});

test('it refuses padding of more than 7 bits', () => {
  assert.is(decode('ff'), undefined);
  assert.is(decode('a8 eb 10 64 9c bf ff'), undefined);
  assert.is(decode('1f ff'), undefined);
});

test('it accepts padding of up to 7 bits', () => {
  // 'a' is 00011; '!' is 1111111000; '*' is 11111001.
  assert.is(decode('1f'), 'a');
  assert.is(decode('f9'), '*');
  assert.is(decode('fe3f'), '!');
  // On their own, the octets' codes leave every number of bits but one.
  for (let octet = 0; octet < 256; octet++) {
    const code = encode(String.fromCharCode(octet));
    assert.is(decodeHuffman(code, 0, code.length), String.fromCharCode(octet));
  }
});

test('it refuses padding that contains zeros', () => {
  assert.is(decode('1e'), undefined);
  assert.is(decode('18'), undefined);
  assert.is(decode('fe 3e'), undefined);
});

test('it refuses EOS anywhere', () => {
  assert.is(decode('ff ff ff ff'), undefined);
  assert.is(decode('ff ff ff fc'), undefined);
  assert.is(decode('1f ff ff ff ff'), undefined);
  assert.is(decode('ff ff ff fc 18 ff'), undefined);
});

test('it refuses an incomplete code', () => {
  const code = encode('\x0a');
  for (let end = 1; end < code.length; end++) assert.is(decodeHuffman(code, 0, end), undefined);
});

test('it has no code for characters beyond latin1', () => {
  assert.is(huffmanLength('\u0100'), -1);
  assert.is(huffmanLength('a\u010a'), -1);
  assert.is(huffmanLength('\xff'), 4);
});
