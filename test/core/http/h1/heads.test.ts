// RequestHead, ResponseHead and FieldReader, without a connection.
import * as assert from 'uvu/assert';
import { isAuthority } from '../../../../core/grammar/request-line.ts';
import { splitAbsolute } from '../../../../core/http/exchange/target.ts';
import { FieldReader, incomplete, malformed, tooMany } from '../../../../core/http/h1/fields.ts';
import { chunked, untilClose } from '../../../../core/http/h1/message-framing.ts';
import { needMore, RequestHead, refused } from '../../../../core/http/h1/request-head.ts';
import { ResponseHead } from '../../../../core/http/h1/response-head.ts';
import { suite } from '../../../support/suite.ts';

const limits = { requestLine: 8_192, headers: 32_768, headerCount: 200 };
const test = suite('heads');

const requests = [
  'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'POST http://b.test:80/x?y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 12\r\nConnection: x-a, close\r\nX-A: 1\r\nX-B: 2\r\n\r\n',
  'GET / HTTP/1.0\r\nConnection: keep-alive\r\nX:\t y \t\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: [::1]:1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nExpect: 100-continue\r\n\r\n',
];

/** Everything that a reader holds of the last head. */
function facts(head: RequestHead): unknown {
  const { method, target, minor, length, keepAlive, upgrade, expectContinue, host, fields } = head;
  const { names, keys, values } = fields.headers;
  return structuredClone({
    method,
    target,
    minor,
    length,
    keepAlive,
    upgrade,
    expectContinue,
    host,
    names,
    keys,
    values,
  });
}

for (const text of requests) {
  test(`a request is complete at its last byte and no earlier: ${text.split('\r\n')[0]}`, () => {
    const head = new RequestHead(limits);
    for (let end = 0; end < text.length; end++) {
      assert.is(head.read(text.slice(0, end), 0), needMore, `${end} of ${text.length}`);
    }
    assert.is(head.read(text, 0), text.length);
    const before = facts(head);
    assert.is(head.read(`${text}GET /next`, 0), text.length);
    assert.equal(facts(head), before);
    assert.is(head.read(`\r\n\r\n${text}`, 4), text.length + 4, 'from an offset');
    assert.equal(facts(head), before);
  });
}

test('a request head notes what controls the connection', () => {
  const head = new RequestHead(limits);
  head.read(requests[1] ?? '', 0);
  assert.equal(facts(head), {
    method: 'POST',
    target: '/x?y',
    minor: 1,
    length: 12,
    keepAlive: false,
    upgrade: undefined,
    expectContinue: false,
    host: 'b.test:80',
    names: ['Host', 'X-B'],
    keys: ['host', 'x-b'],
    values: ['b.test:80', '2'],
  });
  head.read(requests[2] ?? '', 0);
  assert.equal([head.keepAlive, head.minor, head.host, head.fields.headers.get('x')], [true, 0, '', 'y']);
  head.read(requests[3] ?? '', 0);
  assert.equal([head.upgrade, head.host, head.expectContinue], ['websocket', '[::1]:1', false]);
});

test('nothing from one head remains in the next', () => {
  const head = new RequestHead(limits);
  head.read(
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nUpgrade: x\r\nConnection: upgrade, x-y\r\nExpect: 100-continue\r\nVia: x\r\nMax-Forwards: 1\r\n\r\n',
    0,
  );
  assert.is(head.length, chunked);
  head.read('GET / HTTP/1.1\r\nHost: b.test\r\n\r\n', 0);
  const { fields } = head;
  assert.equal(
    [
      head.length,
      head.keepAlive,
      head.upgrade,
      head.expectContinue,
      head.host,
      fields.via,
      fields.maxForwards,
      fields.transferEncoding,
    ],
    [0, true, undefined, false, 'b.test', '', undefined, undefined],
  );
  assert.equal(fields.hopNames, []);
  assert.equal(fields.headers.keys, ['host']);
});

test('an empty Host is refused, as the first Host and after a valid one', () => {
  const head = new RequestHead(limits);
  for (const host of ['', 'a.test', '']) {
    const outcome = head.read(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 0);
    assert.is(outcome === refused, host === '', host);
  }
});

test('each refusal of a request has its code', () => {
  const head = new RequestHead({ requestLine: 100, headers: 200, headerCount: 8 });
  const code = (text: string): string => (head.read(text, 0) === refused ? head.code : 'none');
  const host = 'Host: a.test\r\n';
  assert.is(code(`GET /${'a'.repeat(200)} HTTP/1.1\r\n${host}\r\n`), 'TARGET_TOO_LONG');
  assert.is(code(`GET /${'a'.repeat(200)}`), 'TARGET_TOO_LONG', 'before its end has arrived');
  assert.is(
    code(`GET / HTTP/1.1\r\n${host}X: ${'y'.repeat(300)}`),
    'HEADERS_TOO_LARGE',
    'before its end has arrived',
  );
  assert.is(code(`GET / HTTP/1.1\r\n${host}X: ${'y'.repeat(200)}\r\n\r\n`), 'HEADERS_TOO_LARGE');
  assert.is(code(`GET / HTTP/1.1\r\n${host}${'X: y\r\n'.repeat(8)}\r\n`), 'HEADERS_TOO_LARGE');
  assert.is(code(`GET / HTTP/2.0\r\n${host}\r\n`), 'VERSION_UNSUPPORTED');
  assert.is(code(`POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n`), 'TRANSFER_CODING');
  assert.is(code(`POST / HTTP/1.1\r\n${host}Expect: x\r\n\r\n`), 'EXPECTATION_FAILED');
  assert.is(code(`CONNECT a:1 HTTP/1.1\r\n${host}\r\n`), 'METHOD_NOT_ALLOWED');
  assert.is(code('GET / HTTP/1.1\r\n\r\n'), 'BAD_REQUEST');
});

const responses: readonly (readonly [text: string, method: string])[] = [
  ['HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=5, max=9\r\n\r\n', 'GET'],
  ['HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n', 'GET'],
  ['HTTP/1.0 404 Not Found\r\n\r\n', 'GET'],
  ['HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', 'GET'],
];
for (const [text, method] of responses) {
  test(`a response is complete at its last byte and no earlier: ${text.split('\r\n')[0]}`, () => {
    const head = new ResponseHead(limits);
    for (let end = 0; end < text.length; end++) {
      assert.is(head.read(text.slice(0, end), method), needMore, `${end} of ${text.length}`);
    }
    assert.is(head.read(`${text}abc`, method), text.length);
  });
}

test('a response head says where its body ends', () => {
  const head = new ResponseHead(limits);
  const length = (text: string, method = 'GET'): number => {
    assert.ok(head.read(`HTTP/1.1 ${text}\r\n\r\n`, method) > 0, text);
    return head.length;
  };
  assert.is(length('200 OK\r\nContent-Length: 3'), 3);
  assert.is(length('200 OK\r\nContent-Length: 3', 'HEAD'), 0);
  assert.is(head.announced, 3);
  assert.is(length('200 OK\r\nTransfer-Encoding: chunked'), chunked);
  assert.is(length('200 OK\r\nTransfer-Encoding: chunked', 'HEAD'), 0);
  assert.is(length('200 OK'), untilClose);
  assert.is(head.keepAlive, false);
  for (const status of ['100', '199', '204', '304']) assert.is(length(`${status} X\r\nContent-Length: 3`), 0);
});

test('a response head says how long the connection is kept', () => {
  const head = new ResponseHead(limits);
  const timeout = (value: string) => {
    head.read(`HTTP/1.1 200 OK\r\nKeep-Alive: ${value}\r\nContent-Length: 0\r\n\r\n`, 'GET');
    return head.keepAliveTimeout;
  };
  assert.equal(
    ['timeout=5', 'max=5, timeout=10', 'TIMEOUT=3', 'max=100', 'xtimeout=5', 'timeout=x', ''].map(timeout),
    [5_000, 10_000, 3_000, undefined, undefined, undefined, undefined],
  );
});

test('a field section is read, incomplete, malformed, or has too many lines', () => {
  const reader = new FieldReader(3, 'request');
  assert.is(reader.read('A: 1\r\nB: 2\r\n\r\nrest', 0), 14);
  assert.equal(
    [...reader.headers],
    [
      ['A', '1'],
      ['B', '2'],
    ],
  );
  assert.is(reader.read('\r\n', 0), 2);
  assert.is(reader.read('', 0), incomplete);
  assert.is(reader.read('A: 1\r\n\r', 0), incomplete);
  assert.is(reader.read('A: 1\n', 0), malformed);
  assert.ok(reader.problem !== '');
  assert.is(reader.read('A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n', 0), tooMany);
});

test('known names are found in any case, and no others are mistaken for them', () => {
  const reader = new FieldReader(100, 'request');
  for (const name of ['content-length', 'CONTENT-LENGTH', 'Content-Length', 'cOnTeNt-lEnGtH']) {
    reader.read(`${name}: 3\r\n\r\n`, 0);
    assert.is(reader.contentLength, '3', name);
    assert.is(reader.headers.length, 0, name);
  }
  for (const name of ['Content_Length', 'Content.Length', 'Content-Lengths', 'XContent-Length']) {
    reader.read(`${name}: 3\r\n\r\n`, 0);
    assert.is(reader.contentLength, undefined, name);
  }
});

test('an authority is a host with or without a port, and nothing else', () => {
  for (const good of ['a', 'a.test', 'A-b.c_d', '1.2.3.4', '[::1]', '[::1]:80', 'a:0', 'a:65535', 'a.'])
    assert.ok(isAuthority(good), good);
  for (const bad of [
    '',
    ':',
    'a:65536',
    'a:123456',
    'a b',
    '-a',
    '[',
    '[]',
    '[a]',
    'a]',
    'a@b',
    'é',
    `${'a'.repeat(262)}`,
  ]) {
    assert.not(isAuthority(bad), bad);
  }
});

test('an absolute target is split at the end of its authority', () => {
  assert.equal(splitAbsolute('HTTP://a.test:1/x?y'), { scheme: 'http', authority: 'a.test:1', rest: '/x?y' });
  assert.equal(splitAbsolute('https://a?b/c'), { scheme: 'https', authority: 'a', rest: '/?b/c' });
  assert.equal(splitAbsolute('http://a'), { scheme: 'http', authority: 'a', rest: '' });
  for (const bad of ['http://', 'http:///', 'ftp://a/', '/x', 'a', 'http://u@a/'])
    assert.is(splitAbsolute(bad), undefined, bad);
});
