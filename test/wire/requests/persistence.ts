// Several requests on one connection, versions, and limits.
import { type Forwarded, head, host, pass, plainGet, type RequestCase, refuse } from './case.ts';

const get = 'GET / HTTP/1.1';
const numbered = (n: number): string => head(`GET /${n} HTTP/1.1`, host);
const arrived = (n: number): Forwarded => ({ line: `GET /${n} HTTP/1.1`, fields: [host] });
const many = Array.from({ length: 40 }, (_, n) => n);

const persistence: RequestCase[] = [
  pass(
    'three requests at once are served in order',
    'RFC 9112 9.3.2',
    numbered(1) + numbered(2) + numbered(3),
    arrived(1),
    arrived(2),
    arrived(3),
  ),
  pass(
    'forty requests at once are served in order',
    'RFC 9112 9.3.2',
    many.map(numbered).join(''),
    ...many.map(arrived),
  ),
  pass(
    'a request after a body',
    'RFC 9112 9.3.2',
    `${head('POST / HTTP/1.1', host, 'Content-Length: 3')}abc${numbered(1)}`,
    {
      line: 'POST / HTTP/1.1',
      fields: [host],
      framing: 'Content-Length: 3',
      body: 'abc',
    },
    arrived(1),
  ),
  pass(
    'HEAD among others',
    'RFC 9110 9.3.2',
    head('HEAD / HTTP/1.1', host) + numbered(1),
    { line: 'HEAD / HTTP/1.1', fields: [host] },
    arrived(1),
  ),
  {
    ...pass(
      'nothing is served after Connection: close',
      'RFC 9112 9.6',
      head(get, host, 'Connection: close') + numbered(1),
      plainGet(),
    ),
    stays: false,
  },
  {
    ...pass(
      'Connection: Close in a list closes',
      'RFC 9112 9.6',
      head(get, host, 'Connection: x-a, CLOSE') + numbered(1),
      plainGet(),
    ),
    stays: false,
  },
  {
    ...pass(
      'close wins over keep-alive',
      'RFC 9112 9.3',
      head(get, host, 'Connection: keep-alive, close'),
      plainGet(),
    ),
    stays: false,
  },
  {
    ...pass('HTTP/1.0 closes its connection', 'RFC 9112 9.3', head('GET / HTTP/1.0', host) + numbered(1), {
      ...plainGet(),
      received: '1.0',
    }),
    stays: false,
  },
  pass(
    'HTTP/1.0 with keep-alive stays open',
    'RFC 9112 9.3',
    head('GET / HTTP/1.0', host, 'Connection: keep-alive'),
    { ...plainGet(), received: '1.0' },
  ),
  {
    ...pass('HTTP/1.0 without Host gets the server’s name', 'RFC 9112 3.2', head('GET / HTTP/1.0'), {
      line: 'GET / HTTP/1.1',
      fields: [],
      received: '1.0',
    }),
    stays: false,
  },
  {
    name: 'a valid request before a malformed one is served first',
    source: 'RFC 9112 9.3.2',
    send: `${numbered(1)}GET / HTTP/1.1\nHost: a.test\n\n`,
    forwarded: [arrived(1)],
    refused: 400,
  },
  {
    name: 'two valid requests before one with an unsupported version',
    source: 'RFC 9112 9.3.2',
    send: `${numbered(1)}${numbered(2)}GET /\r\n`,
    forwarded: [arrived(1), arrived(2)],
    refused: 400,
  },
  {
    name: 'bytes after a body are a request, or nothing',
    source: 'RFC 9112 6.3',
    send: `${head('POST / HTTP/1.1', host, 'Content-Length: 3')}abcdef\r\n\r\n`,
    forwarded: [{ line: 'POST / HTTP/1.1', fields: [host], framing: 'Content-Length: 3', body: 'abc' }],
    refused: 400,
  },
  {
    name: 'a request of 200 KB pipelined after others',
    source: 'RFC 9112 9.3.2',
    send: `${numbered(1)}${head('POST / HTTP/1.1', host, 'Content-Length: 200000')}${'x'.repeat(200_000)}${numbered(2)}`,
    forwarded: [
      arrived(1),
      {
        line: 'POST / HTTP/1.1',
        fields: [host],
        framing: 'Content-Length: 200000',
        body: 'x'.repeat(200_000),
      },
      arrived(2),
    ],
  },
];

const limits: RequestCase[] = [
  pass('a target of 8,000 bytes passes', 'RFC 9112 3', head(`GET /${'a'.repeat(7_999)} HTTP/1.1`, host), {
    line: `GET /${'a'.repeat(7_999)} HTTP/1.1`,
    fields: [host],
  }),
  refuse('a target of 9,000 bytes', 'RFC 9112 3', head(`GET /${'a'.repeat(9_000)} HTTP/1.1`, host), 414),
  refuse(
    'a target of 1 MB',
    'RFC 9112 3, 9.6 (the response is read before the reset)',
    head(`GET /${'a'.repeat(1_000_000)} HTTP/1.1`, host),
    414,
  ),
  refuse('an endless method', 'RFC 9112 3', 'G'.repeat(100_000)),
  pass(
    'a field of 30 KB passes',
    'RFC 9110 5.4',
    head(get, host, `X: ${'a'.repeat(30_000)}`),
    plainGet(`X: ${'a'.repeat(30_000)}`),
  ),
  refuse('a field of 40 KB', 'RFC 6585 5', head(get, host, `X: ${'a'.repeat(40_000)}`), 431),
  refuse('an endless field', 'RFC 6585 5', `${get}\r\nX: ${'a'.repeat(200_000)}`, 431),
  refuse('an endless field name', 'RFC 6585 5', `${get}\r\n${'a'.repeat(200_000)}`, 431),
  refuse(
    '201 fields',
    'RFC 6585 5',
    head(get, host, ...Array.from({ length: 200 }, (_, n) => `X-${n}: y`)),
    431,
  ),
  pass(
    '199 fields and Host',
    'RFC 6585 5',
    head(get, host, ...Array.from({ length: 199 }, (_, n) => `X-${n}: y`)),
    plainGet(...Array.from({ length: 199 }, (_, n) => `X-${n}: y`)),
  ),
  refuse(
    'a Content-Length after 2,005 fields',
    'CVE-2026-58044 (a list cut at a limit hides the framing)',
    `${head(get, host, ...Array.from({ length: 2_005 }, () => 'a: b'), 'Content-Length: 42')}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`,
    431,
  ),
  refuse(
    'a Transfer-Encoding after 2,005 fields',
    'CVE-2026-58044 (a list cut at a limit hides the framing)',
    `${head('POST / HTTP/1.1', host, ...Array.from({ length: 2_005 }, () => 'a: b'), 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    431,
  ),
  refuse('200,000 field lines', 'CVE-2018-12121', `${get}\r\n${'a: b\r\n'.repeat(200_000)}`, 431),
  refuse(
    '100,000 hop-by-hop lines, none of which is listed',
    'CVE-2018-12121',
    `${get}\r\n${'TE: a\r\n'.repeat(100_000)}`,
    431,
  ),
  refuse(
    '5,000 names that collide in a hash of integers',
    'CVE-2026-21717',
    head(get, host, ...Array.from({ length: 5_000 }, (_, n) => `${n}: y`)),
    431,
  ),
];

/** Cases about persistence and limits. */
export const persistenceCases: readonly RequestCase[] = [...persistence, ...limits];
