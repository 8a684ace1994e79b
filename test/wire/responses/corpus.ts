// Raw responses from upstreams: status lines, fields, framing, bodies that end early, interim responses, leftovers.
import { date, ok, type ResponseCase, response } from './case.ts';

const character = String.fromCharCode;
const hex = (code: number): string => `0x${code.toString(16).padStart(2, '0')}`;
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const refused = (
  name: string,
  source: string,
  sends: string,
  rest: Partial<ResponseCase> = {},
): ResponseCase => ({
  name,
  source,
  sends,
  ending: 'ends',
  outcome: 'refused',
  ...rest,
});
const passes = (
  name: string,
  source: string,
  sends: string,
  raw = sends,
  rest: Partial<ResponseCase> = {},
): ResponseCase => ({
  name,
  source,
  sends,
  outcome: 'passes',
  raw,
  ...rest,
});
const cut = (
  name: string,
  source: string,
  sends: string,
  rest: Partial<ResponseCase> = {},
): ResponseCase => ({
  name,
  source,
  sends,
  ending: 'ends',
  outcome: 'cut',
  ...rest,
});

const length3 = 'Content-Length: 3';
const coding = 'Transfer-Encoding: chunked';
const splitting = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled';

const statusLines: ResponseCase[] = [
  ...[
    'HTTP/2.0 200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/0.9 200 OK',
    'HTTP/1 200 OK',
    'http/1.1 200 OK',
    'ICY 200 OK',
    'HTTP/1.1  200 OK',
    ' HTTP/1.1 200 OK',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1 600 OK',
    'HTTP/1.1 999 OK',
    'HTTP/1.1 000 OK',
    'HTTP/1.1 +20 OK',
    'HTTP/1.1 -20 OK',
    'HTTP/1.1 2e2 OK',
    'HTTP/1.1 0x2 OK',
    'HTTP/1.1 OK',
    'HTTP/1.1 200OK',
    'HTTP/1.1:200 OK',
    'HTTP/1.1 20\xb2 OK',
    '<html>',
    '{"a":1}',
    'GET / HTTP/1.1',
    '\r\nHTTP/1.1 200 OK',
    '\x00HTTP/1.1 200 OK',
  ].map(line =>
    refused(
      `a status line ${JSON.stringify(line)}`,
      'RFC 9112 4; RFC 9110 15',
      `${line}\r\n${length3}\r\n\r\nabc`,
    ),
  ),
  ...[0x00, 0x01, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f].map(code =>
    refused(
      `${hex(code)} in a reason phrase`,
      'RFC 9112 4 (header injection through the reason)',
      `HTTP/1.1 200 O${character(code)}K\r\n${length3}\r\n\r\nabc`,
    ),
  ),
  refused('a status line that ends in LF', 'RFC 9112 2.2', `HTTP/1.1 200 OK\n${length3}\r\n\r\nabc`),
  refused(
    'a status line of 9 KB',
    'RFC 9112 4',
    `HTTP/1.1 200 ${'O'.repeat(40_000)}\r\n${length3}\r\n\r\nabc`,
  ),
  passes('a status line without a reason', 'RFC 9112 4', response('200 ', [length3], 'abc')),
  passes(
    'a status line without a reason and its space',
    'RFC 9112 4',
    response('200', [length3], 'abc'),
    response('200 ', [length3], 'abc'),
  ),
  passes('a reason with obs-text', 'RFC 9112 4', response('200 \xe9t\xe9 \t!', [length3], 'abc')),
  ...[
    '200',
    '201',
    '203',
    '206',
    '226',
    '299',
    '300',
    '301',
    '307',
    '308',
    '400',
    '401',
    '404',
    '407',
    '418',
    '421',
    '429',
    '451',
    '499',
    '500',
    '501',
    '503',
    '511',
    '599',
  ].map(status =>
    passes(`a status of ${status} passes`, 'RFC 9110 15', response(`${status} Said So`, [length3], 'abc')),
  ),
];

const fields: ResponseCase[] = [
  ...[...range(0, 8), ...range(0x0a, 0x1f), 0x7f].map(code =>
    refused(
      `${hex(code)} in a field value`,
      'RFC 9110 5.5 (response splitting)',
      ok([`X: a${character(code)}b`, length3], 'abc'),
    ),
  ),
  ...[0x00, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x28, 0x2f, 0x3d, 0x40, 0x5b, 0x5c, 0x7b, 0x7f, 0x80, 0xff].map(
    code =>
      refused(
        `${hex(code)} in a field name`,
        'RFC 9110 5.1',
        ok([`X${character(code)}Y: z`, length3], 'abc'),
      ),
  ),
  refused('white space before a colon', 'RFC 9112 5.1', ok(['X : y', length3], 'abc')),
  refused('a folded value', 'RFC 9112 5.2', ok(['X: y', ' z', length3], 'abc')),
  refused('a folded Content-Length', 'RFC 9112 5.2', ok(['Content-Length:', ' 3'], 'abc')),
  refused('white space before the first field', 'RFC 9112 2.2', `HTTP/1.1 200 OK\r\n ${length3}\r\n\r\nabc`),
  refused('a line without a colon', 'RFC 9112 5', ok(['X', length3], 'abc')),
  refused('an empty name', 'RFC 9110 5.1; CVE-2023-25725', ok([': y', length3], 'abc')),
  refused('field lines that end in LF', 'RFC 9112 2.2', `HTTP/1.1 200 OK\r\n${length3}\n\nabc`),
  refused('a head that ends in LF', 'RFC 9112 2.2', `HTTP/1.1 200 OK\r\n${length3}\r\n\nabc`),
  refused(
    'a head that ends in CR and something else',
    'RFC 9112 2.2',
    `HTTP/1.1 200 OK\r\n${length3}\r\n\rXabc`,
  ),
  refused('a malformed Connection', 'RFC 9110 7.6.1', ok(['Connection: a b', length3], 'abc')),
  refused('a field of 40 KB', 'RFC 9110 5.4', ok([`X: ${'y'.repeat(40_000)}`, length3], 'abc')),
  refused('a head without an end', 'RFC 9110 5.4', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(30_000)}`),
  refused(
    '201 fields',
    'RFC 9110 5.4; CVE-2026-58044',
    ok([...Array.from({ length: 200 }, () => 'X: y'), length3], 'abc'),
  ),
  refused(
    'a Content-Length after 2,005 fields',
    'CVE-2026-58044',
    ok([...Array.from({ length: 2_005 }, () => 'X: y'), length3], 'abc'),
  ),
  passes(
    'lines of one name keep their order',
    'RFC 9110 5.3',
    ok(['Set-Cookie: a', 'X: 1', 'Set-Cookie: b', 'set-cookie: a', length3], 'abc'),
  ),
  passes(
    'two challenges stay separate',
    'RFC 9110 11.6.1',
    response('401 Unauthorized', ['WWW-Authenticate: Basic', 'WWW-Authenticate: Bearer', length3], 'abc'),
  ),
  passes('obs-text passes byte for byte', 'RFC 9110 5.5', ok(['X: \x80\xe9\xff', length3], 'abc')),
  passes(
    'a field named __proto__ is an ordinary field',
    'CVE-2026-21710',
    ok(['__proto__: x', 'constructor: y', length3], 'abc'),
  ),
  passes(
    'a coded body is not decoded',
    'RFC 9110 8.4 (decompression bombs)',
    ok(['Content-Encoding: gzip', length3], '\x1f\x8b\x08'),
  ),
  passes('an empty value passes', 'RFC 9110 5.5', ok(['X:', length3], 'abc'), ok(['X: ', length3], 'abc')),
  passes(
    'Location passes unchanged',
    'RFC 9110 10.2.2',
    response('302 Found', ['Location: //b.test/\\x', length3], 'abc'),
  ),
  passes(
    'fields that Connection names are dropped',
    'RFC 9110 7.6.1; CVE-2026-71849, CVE-2026-105299',
    ok(['Connection: X-Foo', 'X-Foo: 1', 'X-Bar: 2', length3], 'abc'),
    ok(['X-Bar: 2', length3], 'abc'),
  ),
  passes(
    'two Connection lines count both',
    'RFC 9110 7.6.1',
    ok(['X-A: 1', 'Connection: x-a', 'Connection: X-B', 'X-B: 2', length3], 'abc'),
    ok([length3], 'abc'),
  ),
  passes(
    'Connection cannot remove Date or the framing',
    'RFC 9110 7.6.1',
    ok(['Connection: date, content-length', length3], 'abc'),
    ok([length3], 'abc'),
  ),
  ...['Keep-Alive: timeout=60', 'Proxy-Connection: keep-alive', 'TE: trailers', 'Upgrade: h2,h2c'].map(line =>
    passes(`${line} is dropped`, 'RFC 9110 7.6.1', ok([line, length3], 'abc'), ok([length3], 'abc')),
  ),
  passes(
    'Connection: close of the upstream does not close the client',
    'RFC 9112 9.6',
    ok(['Connection: close', length3], 'abc'),
    ok([length3], 'abc'),
    { reused: false },
  ),
  passes(
    'an HTTP/1.0 upstream is not reused',
    'RFC 9112 9.3',
    `HTTP/1.0 200 OK\r\n${date}\r\n${length3}\r\n\r\nabc`,
    ok([length3], 'abc'),
    { reused: false },
  ),
  passes(
    'an HTTP/1.0 upstream with keep-alive is reused',
    'RFC 9112 9.3',
    `HTTP/1.0 200 OK\r\n${date}\r\nConnection: keep-alive\r\n${length3}\r\n\r\nabc`,
    ok([length3], 'abc'),
  ),
];

const lengths: ResponseCase[] = [
  ...[
    '+3',
    '-3',
    '3,3',
    '3, 4',
    '0x3',
    '3 3',
    '3a',
    '',
    '3.0',
    '"3"',
    '99999999999999999999',
    '18446744073709551619',
    'x',
    '\xa03',
  ].map(value =>
    refused(
      `a Content-Length of ${JSON.stringify(value)}`,
      'RFC 9112 6.3 rule 5',
      ok([`Content-Length: ${value}`], 'abc'),
    ),
  ),
  refused('two equal Content-Length lines', 'RFC 9112 6.3 rule 5', ok([length3, length3], 'abc')),
  refused(
    'two different Content-Length lines',
    'RFC 9112 6.3 rule 5',
    ok([length3, 'Content-Length: 30'], 'abc'),
  ),
  refused(
    'Content-Length with Transfer-Encoding',
    'RFC 9112 6.3 rule 3',
    ok([length3, coding], '3\r\nabc\r\n0\r\n\r\n'),
  ),
  refused(
    'Transfer-Encoding with Content-Length',
    'RFC 9112 6.3 rule 3',
    ok([coding, 'Content-Length: 0'], '3\r\nabc\r\n0\r\n\r\n'),
  ),
  refused(
    'Transfer-Encoding in HTTP/1.0',
    'RFC 9112 6.1; CVE-2026-2835',
    `HTTP/1.0 200 OK\r\n${coding}\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  ),
  ...[
    'gzip, chunked',
    'identity',
    'chunked, identity',
    'chunked, chunked',
    'xchunked',
    'chunked;a',
    'chunked\t',
    '\tchunked',
    '',
    'chunked\xa0',
    'gzip',
  ].map(value =>
    refused(
      `a Transfer-Encoding of ${JSON.stringify(value)}`,
      'RFC 9112 6.1, 6.3 rule 4',
      ok([`Transfer-Encoding: ${value}`], '3\r\nabc\r\n0\r\n\r\n'),
    ),
  ),
  refused('Transfer-Encoding twice', 'RFC 9112 6.1', ok([coding, coding], '3\r\nabc\r\n0\r\n\r\n')),
  passes(
    'leading zeros of a Content-Length are dropped',
    'RFC 9110 8.6',
    ok(['Content-Length: 003'], 'abc'),
    ok([length3], 'abc'),
  ),
  passes('an empty body', 'RFC 9112 6.3', ok(['Content-Length: 0'])),
  passes(
    'a coding in upper case is normalized',
    'RFC 9112 7',
    ok(['Transfer-Encoding: CHUNKED'], '3\r\nabc\r\n0\r\n\r\n'),
    ok([coding], '3\r\nabc\r\n0\r\n\r\n'),
  ),
];

const bodies: ResponseCase[] = [
  ...(['ends', 'resets'] as const).flatMap(ending => [
    cut(`a body of 3 that ${ending} after 2`, 'RFC 9112 8', ok([length3], 'ab'), { ending }),
    cut(
      `a body of 100,000 that ${ending} after 50,000`,
      'RFC 9112 8',
      ok(['Content-Length: 100000'], 'x'.repeat(50_000)),
      { ending },
    ),
    ...[
      '3\r\nabc\r\n',
      '3\r\nabc',
      '3\r\nab',
      '3\r\n',
      '3',
      '3\r\nabc\r\n0',
      '3\r\nabc\r\n0\r',
      '3\r\nabc\r\n0\r\n',
      '3\r\nabc\r\n0\r\nX: y\r\n',
      '3\r\nabc\r\n0\r\nX: y\r\n\r',
    ].map(body =>
      cut(
        `chunks that ${ending === 'ends' ? 'end' : 'reset'} at ${JSON.stringify(body)}`,
        'RFC 9112 8; CVE-2026-90678',
        ok([coding], body),
        { ending },
      ),
    ),
    refused(`an upstream that ${ending} before its first byte`, 'RFC 9110 15.6.3', '', { ending }),
    refused(`an upstream that ${ending} within its status line`, 'RFC 9110 15.6.3', 'HTTP/1.1 20', {
      ending,
    }),
    refused(
      `an upstream that ${ending} within its head`,
      'RFC 9110 15.6.3',
      `HTTP/1.1 200 OK\r\n${length3}\r\n`,
      { ending },
    ),
    refused(`a POST whose upstream ${ending} before its first byte is not sent again`, 'RFC 9110 9.2.2', '', {
      ending,
      request: 'POST 1.1',
    }),
  ]),
  cut('a body until close that ends in a reset', 'RFC 9112 8', ok([], 'abc'), { ending: 'resets' }),
  cut('a body until close that ends in a reset, to HTTP/1.0', 'RFC 9112 8', ok([], 'abc'), {
    ending: 'resets',
    request: 'GET 1.0',
  }),
  cut('chunks that end early, to HTTP/1.0', 'RFC 9112 8', ok([coding], '3\r\nabc\r\n'), {
    request: 'GET 1.0',
  }),
  passes(
    'a body until close becomes chunks',
    'RFC 9112 6.3 rule 8',
    ok([], 'abc'),
    ok([coding], '3\r\nabc\r\n0\r\n\r\n'),
    { ending: 'ends', reused: false, rechunked: true },
  ),
  passes('an empty body until close', 'RFC 9112 6.3 rule 8', ok([]), ok([coding], '0\r\n\r\n'), {
    ending: 'ends',
    reused: false,
  }),
  passes(
    'a body until close, to HTTP/1.0',
    'RFC 9112 6.3 rule 8',
    ok([], 'abc'),
    ok(['Connection: close'], 'abc'),
    { ending: 'ends', reused: false, request: 'GET 1.0', stays: false },
  ),
  passes(
    'HTTP/1.0 never gets chunks',
    'RFC 9112 6.1',
    ok([coding], '3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n'),
    ok(['Connection: close'], 'abcde'),
    { request: 'GET 1.0', stays: false },
  ),
  passes(
    'a length to HTTP/1.0 with keep-alive',
    'RFC 9112 9.3',
    ok([length3], 'abc'),
    ok([length3, 'Connection: keep-alive'], 'abc'),
    { request: 'GET 1.0 keep-alive' },
  ),
  passes(
    'chunks to HTTP/1.0 with keep-alive close the connection',
    'RFC 9112 9.3',
    ok([coding], '3\r\nabc\r\n0\r\n\r\n'),
    ok(['Connection: close'], 'abc'),
    { request: 'GET 1.0 keep-alive', stays: false },
  ),
  ...[
    '\r\nabc\r\n0\r\n\r\n',
    '0x3\r\nabc\r\n0\r\n\r\n',
    ' 3\r\nabc\r\n0\r\n\r\n',
    '3 \r\nabc\r\n0\r\n\r\n',
    'g\r\nabc\r\n0\r\n\r\n',
    '10000000000000003\r\nabc\r\n0\r\n\r\n',
    'fffffffffffffff\r\nabc\r\n0\r\n\r\n',
    '3\nabc\r\n0\r\n\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3\r\nabc\n0\r\n\r\n',
    '3\r\nabcXX0\r\n\r\n',
    '3\r\nabc\r\n\r\n',
    '3;\r\nabc\r\n0\r\n\r\n',
    '3;a="\r\nabc\r\n0\r\n\r\n',
    '3;a\nabc\r\n0\r\n\r\n',
    '3;a\x00\r\nabc\r\n0\r\n\r\n',
    `3;a=${'b'.repeat(2_000)}\r\nabc\r\n0\r\n\r\n`,
    `${`1;a=${'b'.repeat(500)}\r\nx\r\n`.repeat(100)}0\r\n\r\n`,
    '3\r\nabc\r\n0\r\nX : y\r\n\r\n',
    '3\r\nabc\r\n0\r\n y\r\n\r\n',
    '3\r\nabc\r\n0\r\nX: \x00\r\n\r\n',
    '3\r\nabc\r\n0\r\nX\r\n\r\n',
    `3\r\nabc\r\n0\r\nX: ${'y'.repeat(9_000)}\r\n\r\n`,
    `3\r\nabc\r\n0\r\n${splitting}`,
  ].map(
    body =>
      ({
        name: `malformed chunks ${JSON.stringify(body.slice(0, 40))}`,
        source: 'RFC 9112 7.1; CVE-2024-22019, CVE-2025-22871',
        sends: ok([coding], body),
        ending: 'ends',
        outcome: 'refused or cut',
      }) as const,
  ),
  passes('chunks pass', 'RFC 9112 7.1', ok([coding], '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n'), undefined, {
    rechunked: true,
  }),
  passes(
    'extensions are dropped',
    'RFC 9112 7.1.1',
    ok([coding], '3;a=b\r\nabc\r\n0;c\r\n\r\n'),
    ok([coding], '3\r\nabc\r\n0\r\n\r\n'),
  ),
  passes(
    'trailers pass',
    'RFC 9112 7.1.2',
    ok(['Trailer: X-Sum', coding], '3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n'),
  ),
  ...[
    'Content-Length: 9',
    'Transfer-Encoding: chunked',
    'Set-Cookie: a=b',
    'Connection: close',
    'Trailer: x',
  ].map(line =>
    passes(
      `a trailer ${JSON.stringify(line)} is dropped`,
      'RFC 9110 6.5.1',
      ok([coding], `3\r\nabc\r\n0\r\n${line}\r\nX: y\r\n\r\n`),
      ok([coding], '3\r\nabc\r\n0\r\nX: y\r\n\r\n'),
    ),
  ),
  passes(
    'a trailer that Connection names is dropped',
    'RFC 9110 7.6.1',
    ok(['Connection: x-hop', coding], '3\r\nabc\r\n0\r\nX-Hop: 1\r\nX: y\r\n\r\n'),
    ok([coding], '3\r\nabc\r\n0\r\nX: y\r\n\r\n'),
  ),
];

const bodiless: ResponseCase[] = [
  passes('HEAD with a length', 'RFC 9110 9.3.2', ok(['Content-Length: 300']), undefined, {
    request: 'HEAD 1.1',
  }),
  passes('HEAD with chunked', 'RFC 9110 9.3.2', ok([coding]), ok([]), { request: 'HEAD 1.1' }),
  passes('HEAD with no framing', 'RFC 9110 9.3.2', ok([]), undefined, { request: 'HEAD 1.1' }),
  passes(
    'HEAD with a body: dropped, and the connection too',
    'RFC 9110 9.3.2; RFC 9112 6.3 rule 1',
    ok([length3], 'abc'),
    ok([length3]),
    { request: 'HEAD 1.1', reused: false },
  ),
  passes(
    'HEAD with a second response as its body',
    'RFC 9112 6.3 rule 1 (response splitting)',
    ok([`Content-Length: ${splitting.length}`], splitting),
    ok([`Content-Length: ${splitting.length}`]),
    { request: 'HEAD 1.1', reused: false },
  ),
  passes('204', 'RFC 9110 15.3.5', response('204 No Content', [])),
  passes(
    '204 with a length',
    'RFC 9110 8.6',
    response('204 No Content', ['Content-Length: 0']),
    response('204 No Content', []),
  ),
  passes(
    '204 with chunked',
    'RFC 9112 6.1',
    response('204 No Content', [coding]),
    response('204 No Content', []),
  ),
  passes(
    '204 with a body',
    'RFC 9112 6.3 rule 1',
    response('204 No Content', [length3], 'abc'),
    response('204 No Content', []),
    { reused: false },
  ),
  passes(
    '304 with a length',
    'RFC 9110 8.6',
    response('304 Not Modified', ['ETag: "x"', 'Content-Length: 300']),
  ),
  passes(
    '304 with a body',
    'RFC 9112 6.3 rule 1',
    response('304 Not Modified', [length3], 'abc'),
    response('304 Not Modified', [length3]),
    { reused: false },
  ),
  passes(
    '304 with chunks',
    'RFC 9112 6.3 rule 1',
    response('304 Not Modified', [coding], '0\r\n\r\n'),
    response('304 Not Modified', []),
    { reused: false },
  ),
  passes('205 keeps its body', 'RFC 9110 15.3.6', response('205 Reset Content', [length3], 'abc')),
];

const hints = `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n`;
const continues = 'HTTP/1.1 100 Continue\r\n\r\n';
const final = ok([length3], 'abc');

const interim: ResponseCase[] = [
  passes('103 passes', 'RFC 9110 15.2', hints + final),
  passes(
    'three 103 responses pass in order',
    'RFC 9110 15.2',
    `${hints}${hints.replace('a.css', 'b.css')}${hints}${final}`,
  ),
  passes('102 passes', 'RFC 9110 15.2', `HTTP/1.1 102 Processing\r\n\r\n${final}`),
  passes(
    '103 never goes to HTTP/1.0',
    'RFC 9110 15.2',
    hints + final,
    ok([length3, 'Connection: keep-alive'], 'abc'),
    { request: 'GET 1.0 keep-alive' },
  ),
  passes('an unrequested 100 is dropped', 'RFC 9110 15.2.1', continues + final, final),
  passes(
    'hop-by-hop fields of a 103 are dropped',
    'RFC 9110 7.6.1',
    `HTTP/1.1 103 Early Hints\r\nConnection: x-a\r\nX-A: 1\r\nLink: </a.css>\r\nContent-Length: 9\r\n\r\n${final}`,
    hints + final,
  ),
  refused(
    'an unrequested 101',
    'RFC 9110 7.8, 15.2.2',
    `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n${final}`,
  ),
  refused('10,001 interim responses', 'RFC 9110 15.2 (bounded)', continues.repeat(10_001) + final),
  refused('100 and then nothing', 'RFC 9110 15.2', continues),
  { ...refused('a malformed head after a 100', 'RFC 9112 4', `${continues}HTTP/1.1 20x\r\n\r\n`) },
];

const leftovers: ResponseCase[] = [
  passes(
    'a second response glued to a body',
    'RFC 9112 6.3 (response splitting)',
    ok([length3], `abc${splitting}`),
    final,
    { reused: false },
  ),
  passes(
    'a second response glued to an empty body',
    'RFC 9112 6.3 (response splitting)',
    ok(['Content-Length: 0'], splitting),
    ok(['Content-Length: 0']),
    { reused: false },
  ),
  passes(
    'a second response glued to chunks',
    'RFC 9112 6.3 (response splitting)',
    ok([coding], `0\r\n\r\n${splitting}`),
    ok([coding], '0\r\n\r\n'),
    { reused: false },
  ),
  passes('a CRLF after a body', 'RFC 9112 6.3', ok([length3], 'abc\r\n'), final, { reused: false }),
  passes('a byte after chunks', 'RFC 9112 6.3', ok([coding], '0\r\n\r\nX'), ok([coding], '0\r\n\r\n'), {
    reused: false,
  }),
];

export const responseCases: readonly ResponseCase[] = [
  ...statusLines,
  ...fields,
  ...lengths,
  ...bodies,
  ...bodiless,
  ...interim,
  ...leftovers,
];
