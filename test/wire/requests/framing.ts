// Where a request's body ends: lengths, codings, chunks and trailers.
import { cut, type Forwarded, head, host, pass, plainGet, type RequestCase, refuse } from './case.ts';

const post = 'POST / HTTP/1.1';
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
const chunks = '3\r\nabc\r\n0\r\n\r\n';

const lengthed = (body: string, ...fields: string[]): Forwarded => ({
  line: post,
  fields: [host, ...fields],
  framing: `Content-Length: ${body.length}`,
  body,
});
const chunkedWith = (body: string, payload: string, ...fields: string[]): Forwarded => ({
  line: post,
  fields: [host, ...fields],
  framing: 'Transfer-Encoding: chunked',
  body,
  payload,
});

const badLengths = [
  '+5',
  '-5',
  '5,5',
  '5, 5',
  '5, 6',
  '0x5',
  '5 5',
  '5a',
  '',
  '5.0',
  '5e0',
  '5;',
  '"5"',
  '5_0',
  '0,5',
  '٥',
  '\xb2',
  '\xa05',
  '99999999999999999999',
  '18446744073709551621',
  '9223372036854775808',
  '10000000000000005',
  'NaN',
  'Infinity',
  'chunked',
];

const lengths: RequestCase[] = [
  ...badLengths.map(value =>
    refuse(
      `a Content-Length of ${JSON.stringify(value)}`,
      'RFC 9112 6.3 rule 5; CVE-2023-40225 (empty), CVE-2021-40346 (overflow)',
      head(post, host, `Content-Length: ${value}`) + smuggled,
    ),
  ),
  ...['\x0b5', '5\x0b', '\x0c5', '\x005', '5\x00'].map(value =>
    refuse(
      `a Content-Length with a control character: ${JSON.stringify(value)}`,
      'RFC 9110 5.5; CVE-2019-15605',
      head(post, host, `Content-Length: ${value}`) + smuggled,
    ),
  ),
  refuse(
    'two equal Content-Length lines',
    'RFC 9112 6.3 rule 5; CVE-2026-1525',
    `${head(post, host, 'Content-Length: 3', 'Content-Length: 3')}abc`,
  ),
  refuse(
    'two different Content-Length lines',
    'RFC 9112 6.3 rule 5',
    `${head(post, host, 'Content-Length: 3', 'Content-Length: 30')}abc`,
  ),
  refuse(
    'two Content-Length lines in different case',
    'RFC 9110 5.1; CVE-2026-1525',
    `${head(post, host, 'Content-Length: 3', 'content-length: 0')}abc`,
  ),
  refuse(
    'a Content-Length after a bare CR',
    'RFC 9112 2.2; CVE-2023-30589',
    head('GET / HTTP/1.1', host, 'X: y\rContent-Length: 40') + smuggled,
  ),
  refuse(
    'a Content-Length on a folded line',
    'RFC 9112 5.2; CVE-2024-27982',
    head(post, host, 'X: y', ' Content-Length: 40') + smuggled,
  ),
  refuse(
    'white space before the colon of Content-Length',
    'RFC 9112 5.1; CVE-2024-27982, CVE-2019-16276',
    head(post, host, 'Content-Length : 40') + smuggled,
  ),
  pass(
    'leading zeros of a Content-Length are dropped',
    'RFC 9110 8.6',
    `${head(post, host, 'Content-Length: 0003')}abc`,
    lengthed('abc'),
  ),
  pass(
    'white space around a Content-Length is dropped',
    'RFC 9112 5.1',
    `${head(post, host, 'Content-Length: \t 3 \t')}abc`,
    lengthed('abc'),
  ),
  pass(
    'a GET with a body keeps it',
    'RFC 9110 9.3.1',
    `${head('GET / HTTP/1.1', host, 'Content-Length: 3')}abc`,
    { ...plainGet(), framing: 'Content-Length: 3', body: 'abc' },
  ),
  pass(
    'a body that looks like a request stays a body',
    'RFC 9112 6.3',
    head(post, host, `Content-Length: ${smuggled.length}`) + smuggled,
    lengthed(smuggled),
  ),
  pass(
    'a POST without framing has no body, and is sent with a length of 0',
    'RFC 9112 6.3 rule 7, RFC 9110 8.6',
    head(post, host),
    lengthed(''),
  ),
  pass(
    'a Content-Length of 0 on a GET means no body',
    'RFC 9112 6.3',
    head('GET / HTTP/1.1', host, 'Content-Length: 0'),
    plainGet(),
  ),
  pass(
    'a DELETE with a body keeps it',
    'RFC 9110 9.3.5',
    `${head('DELETE / HTTP/1.1', host, 'Content-Length: 2')}{}`,
    { line: 'DELETE / HTTP/1.1', fields: [host], framing: 'Content-Length: 2', body: '{}' },
  ),
  pass(
    'Content_Length is another field and frames nothing',
    'CVE-2026-88011 (names that CGI folds together)',
    head('GET / HTTP/1.1', host, 'Content_Length: 40'),
    plainGet('Content_Length: 40'),
  ),
];

const badCodings = [
  '\tchunked',
  'chunked\t',
  'chunked \t ',
  'gzip,\tchunked',
  'identity',
  'xchunked',
  'chunkedx',
  'x chunked',
  'chunked, identity',
  'chunked, chunked',
  'chunked,chunked',
  'chunked,',
  ',chunked',
  ', chunked',
  'chunked;q=1',
  'chunked;',
  '"chunked"',
  "'chunked'",
  'chun ked',
  'chunked foo',
  'gzip',
  '',
  'cow',
  'chunked\xa0',
  '\xa0chunked',
  'chunke\xc4\xb1',
  'chunKed\x85',
];

const codings: RequestCase[] = [
  ...badCodings.map(value =>
    refuse(
      `a Transfer-Encoding of ${JSON.stringify(value)}`,
      'RFC 9112 6.1, 6.3 rule 4; CVE-2019-15605, CVE-2022-32213',
      head(post, host, `Transfer-Encoding: ${value}`) + chunks + smuggled,
    ),
  ),
  ...[
    '\x0bchunked',
    'chunked\x0b',
    '\x00chunked',
    'chunked\x00',
    '\x0cchunked',
    'chunked\x1f',
    'chunked\x7f',
  ].map(value =>
    refuse(
      `a Transfer-Encoding with a control character: ${JSON.stringify(value)}`,
      'RFC 9110 5.5; CVE-2019-18277 (vertical tab)',
      head(post, host, `Transfer-Encoding: ${value}`) + chunks + smuggled,
    ),
  ),
  ...['gzip, chunked', 'identity, chunked', 'x-foo,chunked', 'gzip, deflate , chunked'].map(value =>
    refuse(
      `a Transfer-Encoding of ${JSON.stringify(value)}, well-formed and unknown`,
      'RFC 9112 6.1',
      head(post, host, `Transfer-Encoding: ${value}`) + chunks,
      501,
    ),
  ),
  ...[
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding:', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'transfer-encoding: x'],
  ].map(lines =>
    refuse(
      `Transfer-Encoding twice: ${lines.join(' + ')}`,
      'RFC 9112 6.1; CVE-2022-32215, CVE-2020-8287',
      head(post, host, ...lines) + chunks + smuggled,
    ),
  ),
  ...[
    ['Content-Length: 3', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: chunked', 'Content-Length: 3'],
    ['Content-Length: 0', 'Transfer-Encoding: chunked'],
    ['Transfer-Encoding: Chunked', 'Content-Length: 40'],
    ['transfer-encoding: chunked', 'X: y', 'content-length: 0'],
    ['Transfer-Encoding: identity', 'Content-Length: 3'],
  ].map(lines =>
    refuse(
      `Content-Length with Transfer-Encoding: ${lines.join(' + ')}`,
      'RFC 9112 6.1, 6.3 rule 3',
      head(post, host, ...lines) + chunks + smuggled,
    ),
  ),
  refuse(
    'Transfer-Encoding in HTTP/1.0',
    'RFC 9112 6.1; CVE-2026-2835',
    head('POST / HTTP/1.0', host, 'Transfer-Encoding: chunked') + chunks,
  ),
  refuse(
    'Transfer-Encoding in HTTP/1.0 that asks for keep-alive',
    'RFC 9112 6.1',
    head('POST / HTTP/1.0', host, 'Connection: keep-alive', 'Transfer-Encoding: chunked') + chunks,
  ),
  ...[
    'Transfer-Encoding : chunked',
    'Transfer-Encoding\t: chunked',
    'Transfer-Encoding\x00: chunked',
    'Transfer-Encoding\x0b: chunked',
    'Transfer\xadEncoding: chunked',
    ' Transfer-Encoding: chunked',
    '\tTransfer-Encoding: chunked',
    'X: y\r\n Transfer-Encoding: chunked',
    'X: y\rTransfer-Encoding: chunked',
    'X: y\nTransfer-Encoding: chunked',
    'X: y\n\rTransfer-Encoding: chunked',
    'Transfer-Encoding:\n chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding\r\n: chunked',
    'Transfer-Encoding: chunked\r',
    'Transfer-Encoding chunked',
    'Transfer-Encoding= chunked',
  ].map(line =>
    refuse(
      `an obfuscated coding line: ${JSON.stringify(line)}`,
      'RFC 9112 2.2, 5.1, 5.2; CVE-2022-32214, CVE-2022-35256, CVE-2025-23167',
      head(post, host, line, 'Content-Length: 3') + chunks + smuggled,
    ),
  ),
  ...['chunked', 'Chunked', 'CHUNKED', '  chunked', 'chunked  '].map(value =>
    pass(
      `a Transfer-Encoding of ${JSON.stringify(value)} is normalized`,
      'RFC 9112 6.1, 7',
      head(post, host, `Transfer-Encoding: ${value}`) + chunks,
      chunkedWith(chunks, 'abc'),
    ),
  ),
  pass(
    'a GET with a chunked body keeps it',
    'RFC 9112 6.3 rule 4',
    head('GET / HTTP/1.1', host, 'Transfer-Encoding: chunked') + chunks,
    { ...plainGet(), framing: 'Transfer-Encoding: chunked', body: chunks, payload: 'abc' },
  ),
  pass(
    'Transfer_Encoding is another field and frames nothing',
    'CVE-2026-88011 (names that CGI folds together)',
    `${head(post, host, 'Transfer_Encoding: chunked', 'Content-Length: 3')}abc`,
    lengthed('abc', 'Transfer_Encoding: chunked'),
  ),
];

const chunkedPost = head(post, host, 'Transfer-Encoding: chunked');
const badChunks: readonly (readonly [name: string, body: string, source?: string])[] = [
  ['no size', '\r\nabc\r\n0\r\n\r\n'],
  ['a size of 0x3', '0x3\r\nabc\r\n0\r\n\r\n'],
  ['a size of +3', '+3\r\nabc\r\n0\r\n\r\n'],
  ['a size of -3', '-3\r\nabc\r\n0\r\n\r\n'],
  ['a size of 3,3', '3,3\r\nabc\r\n0\r\n\r\n'],
  ['a size of 3.0', '3.0\r\nabc\r\n0\r\n\r\n'],
  ['a size of g', 'g\r\nabc\r\n0\r\n\r\n'],
  ['a size of 3_0', '3_0\r\nabc\r\n0\r\n\r\n'],
  ['a space before a size', ' 3\r\nabc\r\n0\r\n\r\n'],
  ['a tab before a size', '\t3\r\nabc\r\n0\r\n\r\n'],
  ['a space after a size', '3 \r\nabc\r\n0\r\n\r\n'],
  ['a space within a size', '1 0\r\nabc\r\n0\r\n\r\n'],
  ['a size of 2^64 + 3', '10000000000000003\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1 (overflow)'],
  [
    'a size of 2^32 + 3 with leading zeros',
    '000000000100000003\r\nabc\r\n0\r\n\r\n',
    'RFC 9112 7.1 (overflow)',
  ],
  ['a size of sixteen f', 'ffffffffffffffff\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1 (overflow)'],
  ['a bare LF after a size', '3\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1; CVE-2025-22871'],
  ['a bare LF after the last size', '3\r\nabc\r\n0\n\r\n', 'RFC 9112 7.1; CVE-2025-22871'],
  ['a bare LF after a chunk', '3\r\nabc\n0\r\n\r\n', 'RFC 9112 7.1'],
  ['a bare LF at the end', '3\r\nabc\r\n0\r\n\n', 'RFC 9112 7.1'],
  ['a bare CR after a size', '3\rabc\r\n0\r\n\r\n', 'RFC 9112 2.2'],
  ['CR CR LF after a size', '3\r\r\nabc\r\n0\r\n\r\n', 'RFC 9112 2.2'],
  ['a chunk shorter than its size', '5\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n'],
  ['a chunk longer than its size', '2\r\nabc\r\n0\r\n\r\n'],
  ['a chunk without its CRLF', '3\r\nabc0\r\n\r\n'],
  ['a chunk with XX for its CRLF', '3\r\nabcXX0\r\n\r\n', 'CVE-2022-32213; bytes that are skipped unread'],
  ['a chunk with two CRLF', '3\r\nabc\r\n\r\n0\r\n\r\n'],
  ['white space before an extension', '3 ;a=b\r\nabc\r\n0\r\n\r\n', 'RFC 9110 5.6.3 (bad white space)'],
  [
    'white space around the value of an extension',
    '3;a = b\r\nabc\r\n0\r\n\r\n',
    'RFC 9110 5.6.3 (bad white space)',
  ],
  ['a Content-Length for a trailer', '3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n', 'RFC 9110 6.5.1'],
  ['a Connection for a trailer', '3\r\nabc\r\n0\r\nConnection: close\r\n\r\n', 'RFC 9110 6.5.1'],
  [
    'a Transfer-Encoding for a trailer',
    '3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
    'RFC 9110 6.5.1',
  ],
  ['an extension without a name', '3;\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
  ['two semicolons', '3;;a\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
  ['an extension with a space in it', '3;a b\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
  ['an extension with a NUL', '3;a=\x00\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
  ['an extension with a bare LF', '3;a\nabc\r\n0\r\n\r\n', 'chunk extensions ended by LF (TERM.EXT)'],
  ['an extension with a bare CR', '3;a\rb\r\nabc\r\n0\r\n\r\n', 'chunk extensions ended by CR (EXT.TERM)'],
  ['an extension whose quote is not closed', '3;a="b\r\nabc\r\n0\r\n\r\n', 'RFC 9112 7.1.1'],
  [
    'an extension with a LF in quotes',
    '3;a="\n"\r\nabc\r\n0\r\n\r\n',
    'chunk extensions ended by LF (TERM.EXT)',
  ],
  ['an extension of 2 KB', `3;a=${'b'.repeat(2048)}\r\nabc\r\n0\r\n\r\n`, 'CVE-2024-22019'],
  ['an endless extension', `3;a=${'b'.repeat(4096)}`, 'CVE-2024-22019'],
  [
    '100 extensions of 500 bytes',
    `${`1;a=${'b'.repeat(500)}\r\nx\r\n`.repeat(100)}0\r\n\r\n`,
    'CVE-2024-22019',
  ],
  ['an invalid trailer name', '3\r\nabc\r\n0\r\nX Y: 1\r\n\r\n', 'RFC 9112 7.1.2'],
  ['white space before a trailer colon', '3\r\nabc\r\n0\r\nX : 1\r\n\r\n', 'RFC 9112 5.1'],
  ['a trailer without a colon', '3\r\nabc\r\n0\r\nX\r\n\r\n', 'RFC 9112 5'],
  ['a folded trailer', '3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n', 'RFC 9112 5.2'],
  ['a trailer with a bare LF', '3\r\nabc\r\n0\r\nX: 1\nY: 2\r\n\r\n', 'RFC 9112 2.2'],
  ['a trailer with a NUL', '3\r\nabc\r\n0\r\nX: \x00\r\n\r\n', 'RFC 9110 5.5'],
  ['trailers over 8 KB', `3\r\nabc\r\n0\r\nX: ${'y'.repeat(9000)}\r\n\r\n`, 'RFC 9110 5.4'],
  ['100 trailers', `3\r\nabc\r\n0\r\n${'X: y\r\n'.repeat(100)}\r\n`, 'RFC 9110 5.4'],
  ['a request in place of the trailers', `3\r\nabc\r\n0\r\n${smuggled}`, 'RFC 9112 7.1.2'],
];

const goodChunks: readonly (readonly [name: string, sent: string, arrives: string, payload: string])[] = [
  ['chunks pass as they are', '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n', '', 'abc0123456789'],
  ['an empty body passes', '0\r\n\r\n', '', ''],
  ['a size with leading zeros passes', '003\r\nabc\r\n0\r\n\r\n', '', 'abc'],
  ['a last chunk of many zeros is normalized', '3\r\nabc\r\n0000\r\n\r\n', '3\r\nabc\r\n0\r\n\r\n', 'abc'],
  ['an extension is dropped', '3;a=b\r\nabc\r\n0;x\r\n\r\n', '3\r\nabc\r\n0\r\n\r\n', 'abc'],
  ['a quoted extension is dropped', '3;a="b;\\"c"\r\nabc\r\n0\r\n\r\n', '3\r\nabc\r\n0\r\n\r\n', 'abc'],
  [
    'chunks that look like a request stay a body',
    `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    '',
    smuggled,
  ],
  ['a trailer passes', '3\r\nabc\r\n0\r\nX-Sum: 9\r\nx-two: 2\r\n\r\n', '', 'abc'],
  ...[
    'Host: b.test',
    'Authorization: x',
    'X-Forwarded-For: 1.2.3.4',
    'X_Forwarded_For: 1.2.3.4',
    'Cookie: a=b',
    'Upgrade: websocket',
    'Forwarded: for=1.2.3.4',
    'Expect: 100-continue',
    'Content-Type: text/html',
    'Max-Forwards: 0',
    'Via: 1.1 x',
  ].map(
    line =>
      [
        `a trailer ${JSON.stringify(line)} is dropped`,
        `3\r\nabc\r\n0\r\n${line}\r\nX-Sum: 9\r\n\r\n`,
        '3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n',
        'abc',
      ] as const,
  ),
];

const chunkCases: RequestCase[] = [
  ...badChunks.map(([name, body, source]) =>
    cut(`chunked: ${name}`, source ?? 'RFC 9112 7.1', chunkedPost + body),
  ),
  ...goodChunks.map(([name, sent, arrives, payload]) =>
    pass(
      `chunked: ${name}`,
      'RFC 9112 7.1, 7.1.1, 7.1.2, RFC 9110 6.5.1',
      chunkedPost + sent,
      chunkedWith(arrives === '' ? sent : arrives, payload),
    ),
  ),
  pass(
    'chunked: a trailer that Connection names is dropped',
    'RFC 9110 7.6.1',
    `${head(post, host, 'Connection: x-hop', 'Transfer-Encoding: chunked')}3\r\nabc\r\n0\r\nX-Hop: 1\r\nX-Sum: 9\r\n\r\n`,
    chunkedWith('3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n', 'abc'),
  ),
  pass(
    'chunked: the next request begins right after the last CRLF',
    'RFC 9112 7.1, 9.3.2',
    `${chunkedPost}${chunks}${head('GET /next HTTP/1.1', host)}`,
    chunkedWith(chunks, 'abc'),
    { line: 'GET /next HTTP/1.1', fields: [host] },
  ),
];

/** Cases about framing. */
export const framingCases: readonly RequestCase[] = [...lengths, ...codings, ...chunkCases];
