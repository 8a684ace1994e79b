// Mutations of raw messages: of bytes, lines, fields and chunks.
import type { Random } from '../support/random.ts';

const bytes = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  '\x0b',
  '\x0c',
  ':',
  ',',
  ';',
  '=',
  '"',
  '\\',
  '#',
  '/',
  '\x7f',
  '\x80',
  '\xa0',
  '\xff',
  '0',
  '5',
  'a',
  '-',
  '+',
  'x',
  '_',
];
const lines = [
  'Content-Length: 5',
  'Content-Length: 0',
  'content-length: 3',
  'Content-Length: 3, 3',
  'Content-Length: +3',
  'Content-Length:',
  'Content-Length : 3',
  'Content_Length: 3',
  'Content-Length: 0x3',
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding:',
  'Host: b.test',
  'Host:',
  'Host: a b',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: content-length',
  'Connection: transfer-encoding',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Expect: x',
  'TE: trailers',
  'Trailer: X',
  'Keep-Alive: timeout=1',
  ' folded',
  '\tfolded',
  'X: y',
  'X',
  ': y',
  'X\0: y',
  'X: \0',
  'X: y\rZ: w',
  'X: y\nContent-Length: 3',
  '__proto__: x',
];
const texts = [
  'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'http://b.test',
  '*',
  'HEAD',
  'CONNECT',
  'OPTIONS',
  '204',
  '304',
  '0\r\n\r\n',
  '3\r\nabc\r\n',
  '0\r\nX: y\r\n\r\n',
];
const sizes = [
  '0',
  '00',
  '3',
  '03',
  'a',
  'A',
  'ff',
  '0x3',
  '+3',
  '-1',
  ' 3',
  '3 ',
  '3;a',
  '3;a=b',
  '3;a="b"',
  '3;',
  '3;a\n',
  'ffffffffffffffff',
  '10000000000000003',
  '',
  'g',
];

type Mutation = (text: string, random: Random, other: string) => string;

const cut = (text: string, at: number, end: number, middle: string): string =>
  text.slice(0, at) + middle + text.slice(end);

/** Replaces one line: usually of the head, but of anything with line ends. */
function editLine(text: string, random: Random, edit: (line: string) => string): string {
  const all = text.split('\r\n');
  const at = random.below(all.length);
  all[at] = edit(all[at] ?? '');
  return all.join('\r\n');
}

const mutations: readonly Mutation[] = [
  (text, random) => {
    const at = random.below(text.length);
    return cut(text, at, at + 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))));
  },
  (text, random) => cut(text, random.below(text.length), random.below(text.length), ''),
  (text, random) => {
    const at = random.below(text.length + 1);
    return cut(text, at, at, random.of(bytes));
  },
  (text, random) => {
    const at = random.below(text.length);
    return cut(text, at, at + 1, random.of(bytes));
  },
  (text, random) => {
    const at = random.below(text.length);
    return cut(text, at, at + 1, '');
  },
  (text, random) => {
    const at = random.below(text.length);
    const piece = text.slice(at, at + 1 + random.below(40));
    return cut(text, at, at, piece);
  },
  (text, random, other) => text.slice(0, random.below(text.length)) + other.slice(random.below(other.length)),
  (text, _random, other) => text + other,
  (text, random) => editLine(text, random, line => `${line}\r\n${line}`),
  (text, random) => editLine(text, random, line => `${line}\r\n${random.of(lines)}`),
  (text, random) => editLine(text, random, line => `${line}\r\n${random.of(lines)}`),
  (text, random) => editLine(text, random, () => random.of(lines)),
  (text, random) => editLine(text, random, () => random.of(sizes)),
  (text, random) => editLine(text, random, line => line.toUpperCase()),
  (text, random) => {
    const all = text.split('\r\n');
    const [from, to] = [random.below(all.length), random.below(all.length)];
    [all[from], all[to]] = [all[to] ?? '', all[from] ?? ''];
    return all.join('\r\n');
  },
  (text, random) =>
    text.replace(/\d+/g, digits => (random.below(3) === 0 ? String(random.below(20)) : digits)),
  (text, random) =>
    text.replaceAll('\r\n', end =>
      random.below(8) === 0 ? random.of(['\n', '\r', '\r\r\n', '\n\r', ' \r\n']) : end,
    ),
  (text, random) => {
    const at = random.below(text.length + 1);
    return cut(text, at, at, random.of(texts));
  },
];

/** Mutates one of `seeds` a few times; returns at most 4,000 characters, latin1, never empty. */
export function mutate(seeds: readonly string[], random: Random): string {
  let text = random.of(seeds);
  for (let count = 1 + random.below(4); count > 0; count--) {
    text = random.of(mutations)(text, random, random.of(seeds)) || 'G';
  }
  // The upper case of a latin1 character may lie outside latin1.
  return Buffer.from(text.slice(0, 4_000), 'latin1').toString('latin1');
}
