// What a hostile head costs. With expressions that take quadratic time, each takes seconds; thousands of them within
// the time of one test can be read only if the time grows linearly with their size.
import * as assert from 'uvu/assert';
import { RequestHead, refused } from '../../../../core/http/h1/request-head.ts';
import { ResponseHead } from '../../../../core/http/h1/response-head.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('the cost of a head', { testTimeoutMs: 20_000 });

const limits = { requestLine: 8_192, headers: 32_768, headerCount: 200 };
const times = 300;
const host = 'Host: a.test\r\n';
const blanks = `a${' \t'.repeat(15_000)}b`;

const heads = {
  'blanks within Connection': `${host}Connection: ${blanks}\r\n`,
  'blanks within Transfer-Encoding': `${host}Transfer-Encoding: ${blanks}\r\n`,
  'blanks within Upgrade': `${host}Connection: upgrade\r\nUpgrade: ${blanks}\r\n`,
  'blanks within Expect': `${host}Expect: ${blanks}\r\n`,
  'blanks within Via': `${host}Via: ${blanks}\r\n`,
  'blanks within Keep-Alive': `${host}Keep-Alive: ${blanks}\r\n`,
  'a long address in Host': `Host: [${':'.repeat(31_000)}\r\n`,
  'a long name in Host': `Host: ${'a-'.repeat(15_500)}\r\n`,
  'many names in Connection': `${host}${'X: y\r\n'.repeat(190)}Connection: ${'a,'.repeat(14_000)}b\r\n`,
  'many Connection lines': `${host}${'Connection: a\r\n'.repeat(2_000)}`,
  'names that only differ in case': `${host}${'ContenT-LengtH_: 1\r\n'.repeat(190)}`,
};

for (const [name, fields] of Object.entries(heads)) {
  test(`a request with ${name} is read in linear time`, () => {
    const head = new RequestHead(limits);
    let outcome = 0;
    for (let n = 0; n < times; n++) outcome = head.read(`GET / HTTP/1.1\r\n${fields}\r\n`, 0);
    assert.ok(outcome === refused || outcome > fields.length);
  });

  test(`a response with ${name} is read in linear time`, () => {
    const head = new ResponseHead(limits);
    let outcome = 0;
    for (let n = 0; n < times; n++) outcome = head.read(`HTTP/1.1 200 OK\r\n${fields}\r\n`, 'GET');
    assert.ok(outcome === refused || outcome > fields.length);
  });
}

test('a Connection field names at most 64 fields', () => {
  const head = new RequestHead(limits);
  const named = (count: number) => Array.from({ length: count }, (_, n) => `x-${n}`).join(',');
  assert.ok(head.read(`GET / HTTP/1.1\r\n${host}Connection: ${named(64)}\r\n\r\n`, 0) > 0);
  assert.is(head.read(`GET / HTTP/1.1\r\n${host}Connection: ${named(65)}\r\n\r\n`, 0), refused);
});

test('an absolute target with a long authority is checked in linear time', () => {
  const head = new RequestHead(limits);
  for (const authority of [`[${':'.repeat(8_000)}`, 'a-'.repeat(4_000), '['.repeat(8_000)]) {
    for (let n = 0; n < times; n++) {
      assert.is(head.read(`GET http://${authority}/ HTTP/1.1\r\n${host}\r\n`, 0), refused);
    }
  }
});
