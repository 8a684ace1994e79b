// The grammar of request lines and fields: malformed ones, and unusual valid ones.
import { byteName, head, host, pass, plainGet, type RequestCase, refuse } from './case.ts';

const get = 'GET / HTTP/1.1';
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
const character = String.fromCharCode;
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

const controls = [...range(0, 8), ...range(0x0a, 0x1f), 0x7f];
const noNameCharacters = [
  ...range(0x00, 0x20),
  ...[...'"(),/:;<=>?@[\\]{}'].map(c => c.charCodeAt(0)),
  0x7f,
  0x80,
  0xff,
];
const noTargetCharacters = [
  ...range(0x00, 0x20),
  ...[...'"#<>\\'].map(c => c.charCodeAt(0)),
  0x7f,
  0x80,
  0xe9,
  0xff,
];

const values: RequestCase[] = [
  ...controls.map(code =>
    refuse(
      `${byteName(code)} in a field value`,
      'RFC 9110 5.5; CVE-2019-9900 (NUL)',
      head(get, host, `X: a${character(code)}b`),
    ),
  ),
  pass(
    'obs-text in a field value passes byte for byte',
    'RFC 9110 5.5',
    head(get, host, 'X: \x80\xe9\xff'),
    plainGet('X: \x80\xe9\xff'),
  ),
  pass('a tab within a field value passes', 'RFC 9110 5.5', head(get, host, 'X: a\tb'), plainGet('X: a\tb')),
  pass('an empty field value passes', 'RFC 9110 5.5', head(get, host, 'X:'), plainGet('X: ')),
  pass(
    'white space around a value is dropped',
    'RFC 9112 5.1',
    head(get, host, 'X: \t a b\t '),
    plainGet('X: a b'),
  ),
  pass(
    'a value without white space before it passes',
    'RFC 9112 5.1',
    head(get, host, 'X:y'),
    plainGet('X: y'),
  ),
  pass('a colon in a value passes', 'RFC 9110 5.5', head(get, host, 'X:: :'), plainGet('X: : :')),
];

const names: RequestCase[] = [
  ...noNameCharacters
    .filter(code => code !== 0x3a)
    .map(code =>
      refuse(
        `${byteName(code)} in a field name`,
        'RFC 9110 5.1, 5.6.2',
        head(get, host, `X${character(code)}Y: z`),
      ),
    ),
  refuse(
    'an empty field name',
    'RFC 9110 5.1; CVE-2023-25725',
    head(get, host, ': x', 'Content-Length: 40') + smuggled,
  ),
  refuse('a line without a colon', 'RFC 9112 5', head(get, host, 'X')),
  refuse('a space before the colon', 'RFC 9112 5.1', head(get, host, 'X : y')),
  refuse('a tab before the colon', 'RFC 9112 5.1', head(get, host, 'X\t: y')),
  refuse('white space before the first field', 'RFC 9112 2.2', `${get}\r\n ${host}\r\nX: y\r\n\r\n`),
  refuse('a folded value', 'RFC 9112 5.2', head(get, host, 'X: a', ' b')),
  refuse('a value folded by a tab', 'RFC 9112 5.2', head(get, host, 'X: a', '\tb')),
  refuse('a folded Host', 'RFC 9112 5.2', `${get}\r\nHost:\r\n a.test\r\n\r\n`),
  refuse('a line of only white space', 'RFC 9112 5.2', head(get, host, ' ')),
  refuse('lines that end in LF', 'RFC 9112 2.2 (bare LF)', `${get}\n${host}\n\n`),
  refuse('one field line that ends in LF', 'RFC 9112 2.2 (bare LF)', `${get}\r\n${host}\nX: y\r\n\r\n`),
  refuse('a head that ends in LF LF', 'RFC 9112 2.2', `${get}\r\n${host}\r\n\n`),
  refuse('a bare CR between fields', 'RFC 9112 2.2; CVE-2023-30589', `${get}\r\n${host}\rX: y\r\n\r\n`),
  refuse('CR CR LF as a line end', 'RFC 9112 2.2', `${get}\r\n${host}\r\r\n\r\n`),
  refuse(
    'a head that ends in CR and something else',
    'RFC 9112 2.2; CVE-2025-23167',
    `${get}\r\n${host}\r\n\rX${smuggled}`,
  ),
  refuse('a head that ends in LF CR', 'RFC 9112 2.2', `${get}\r\n${host}\n\r\n\r`),
  pass(
    'every character that a field name may have',
    'RFC 9110 5.6.2',
    head(get, host, "!#$%&'*+-.^_`|~09azAZ: x"),
    plainGet("!#$%&'*+-.^_`|~09azAZ: x"),
  ),
  pass(
    'names keep their case and order',
    'RFC 9110 5.3',
    head(get, host, 'b: 1', 'A: 2', 'B: 3', 'a: 4'),
    plainGet('b: 1', 'A: 2', 'B: 3', 'a: 4'),
  ),
  pass(
    'lines of one name are neither merged nor moved',
    'RFC 9110 5.3',
    head(get, host, 'X: 1', 'Y: 2', 'X: 3', 'x: 1'),
    plainGet('X: 1', 'Y: 2', 'X: 3', 'x: 1'),
  ),
  ...['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString', 'valueOf'].map(name =>
    pass(
      `a field named ${name} is an ordinary field`,
      'CVE-2026-21710',
      head(get, host, `${name}: x`),
      plainGet(`${name}: x`),
    ),
  ),
  pass('a field with an underscore passes', 'RFC 9110 5.1', head(get, host, 'X_Y: z'), plainGet('X_Y: z')),
  pass(
    'known fields keep the case that they arrived in',
    'RFC 9110 5.1',
    head(get, host, 'uSeR-aGeNt: x', 'accept: y', 'COOKIE: z'),
    plainGet('uSeR-aGeNt: x', 'accept: y', 'COOKIE: z'),
  ),
];

const lines: RequestCase[] = [
  refuse('HTTP/0.9', 'RFC 9112 2.3', 'GET /\r\n'),
  refuse('a request line with only a method', 'RFC 9112 3', head('GET')),
  refuse('two spaces before the target', 'RFC 9112 3', head('GET  / HTTP/1.1', host)),
  refuse('two spaces before the version', 'RFC 9112 3', head('GET /  HTTP/1.1', host)),
  refuse('a space after the version', 'RFC 9112 3', head('GET / HTTP/1.1 ', host)),
  refuse('a tab after the version', 'RFC 9112 3', head('GET / HTTP/1.1\t', host)),
  refuse('a space before the method', 'RFC 9112 3', head(' GET / HTTP/1.1', host)),
  refuse('a tab instead of a space', 'RFC 9112 3', head('GET\t/\tHTTP/1.1', host)),
  refuse('a vertical tab instead of a space', 'RFC 9112 3', head('GET\x0b/ HTTP/1.1', host)),
  refuse('a space in the target', 'RFC 9112 3', head('GET /a b HTTP/1.1', host)),
  refuse('two targets', 'RFC 9112 3', head('GET /a /b HTTP/1.1', host)),
  refuse('a second version', 'RFC 9112 3', head('GET /a HTTP/1.1 HTTP/1.1', host)),
  refuse('a version in lower case', 'RFC 9112 2.3', head('GET / http/1.1', host)),
  refuse('a version of HTTP/01.1', 'RFC 9112 2.3', head('GET / HTTP/01.1', host)),
  refuse('a version of HTTP/1.10', 'RFC 9112 2.3', head('GET / HTTP/1.10', host)),
  refuse('a version of HTTP/1', 'RFC 9112 2.3', head('GET / HTTP/1', host)),
  refuse('a version of HTTP/1.', 'RFC 9112 2.3', head('GET / HTTP/1.', host)),
  refuse('a version of HTTP/1,1', 'RFC 9112 2.3', head('GET / HTTP/1,1', host)),
  refuse('a version of HTTP 1.1', 'RFC 9112 2.3', head('GET / HTTP 1.1', host)),
  refuse('a version of HTTP/-1.1', 'RFC 9112 2.3', head('GET / HTTP/-1.1', host)),
  refuse('another protocol', 'RFC 9112 2.3', head('GET / RTSP/1.0', host)),
  refuse('ICY', 'RFC 9112 2.3', head('GET / ICY/1.1', host)),
  ...['0.9', '1.2', '1.9', '2.0', '3.0', '9.9'].map(version =>
    refuse(`HTTP/${version}`, 'RFC 9110 15.6.6', head(`GET / HTTP/${version}`, host), 505),
  ),
  refuse('the HTTP/2 preface', 'RFC 9113 3.4', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505),
  refuse('a TLS ClientHello', 'RFC 9112 2.2', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  refuse('the banner of an SSH client', 'RFC 9112 2.2', 'SSH-2.0-OpenSSH_9.9\r\n'),
  refuse('a PROXY protocol line', 'RFC 9112 2.2', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${head(get, host)}`),
  refuse('nothing but a colon', 'RFC 9112 2.2', ': \r\n\r\n'),
  refuse('a request line that ends in LF', 'RFC 9112 2.2', `${get}\n${host}\r\n\r\n`),
  refuse('a request line that ends in CR', 'RFC 9112 2.2', `${get}\r${host}\r\n\r\n`),
  ...[...'(),/:;<=>?@[\\]{}"', '\x00', '\x7f', '\x80', '\xff'].map(c =>
    refuse(`${byteName(c.charCodeAt(0))} in a method`, 'RFC 9110 9.1', head(`GE${c}T / HTTP/1.1`, host)),
  ),
  refuse('a method of 33 characters', 'RFC 9110 9.1', head(`${'M'.repeat(33)} / HTTP/1.1`, host)),
  refuse('a response where a request belongs', 'RFC 9112 2.1', head('HTTP/1.1 200 OK', 'Content-Length: 0')),
  ...['get', 'Get', 'PURGE', 'M-SEARCH', 'PROPFIND', 'X!', 'M'.repeat(32)].map(method =>
    pass(`the method ${method} passes`, 'RFC 9110 9.1, 16.1', head(`${method} / HTTP/1.1`, host), {
      line: `${method} / HTTP/1.1`,
      fields: [host],
    }),
  ),
  pass('an empty line before a request', 'RFC 9112 2.2', `\r\n${head(get, host)}`, plainGet()),
  pass('two empty lines before a request', 'RFC 9112 2.2', `\r\n\r\n${head(get, host)}`, plainGet()),
  refuse('three empty lines before a request', 'RFC 9112 2.2', `\r\n\r\n\r\n${head(get, host)}`),
  refuse('a bare LF before a request', 'RFC 9112 2.2', `\n${head(get, host)}`),
  refuse('a bare CR before a request', 'RFC 9112 2.2', `\r${head(get, host)}`),
];

/**
 * Targets with each character that users can type or scripts contain, as browsers send them: the URL standard defines
 * which characters stay unchanged, and Node's parser works like Chromium's. Firefox leaves a few more.
 */
function sentByBrowsers(): string[] {
  const sent = new Set<string>();
  for (const char of range(0x20, 0xff).map(code => character(code))) {
    const { pathname, search } = new URL(`http://a.test/p${char}p?q=${char}q`);
    sent.add(pathname + search);
  }
  return [...sent, '/p|^`{}p?q=|^`{}[]\\q', "/p'p?q='q", '/raw?p=C:\\dir', '/raw?\\\\host\\share?\\'];
}

const targets: RequestCase[] = [
  ...['/a\\b', '/a\\?b', '/\\a.test/?b', '\\a?b', 'http://a.test\\?b', 'http://a.test/?b\\c', '*?\\'].map(
    target =>
      refuse(`the target ${target}`, 'RFC 9112 3.2; CVE-2021-29492', head(`GET ${target} HTTP/1.1`, host)),
  ),
  ...noTargetCharacters.map(code =>
    refuse(
      `${byteName(code)} in a target`,
      'RFC 9112 3.2; CVE-2018-12116, CVE-2023-45539 (#)',
      head(`GET /a${character(code)}b HTTP/1.1`, host),
    ),
  ),
  ...[
    '/a|b^c`d{e}',
    '/%',
    '/%zz',
    '/%00',
    '/%0d%0aX:%20y',
    '/%2e%2e/',
    '/a/../b',
    '//b.test/',
    '/@b.test',
    '/a;b=c',
    '/?',
    '/?a?b',
    "/!$&'()*+,;=:@-._~",
    '/[]',
    '/http://b.test/',
    ...sentByBrowsers(),
  ].map(target =>
    pass(
      `the target ${target} passes unchanged`,
      'RFC 9110 7.7; CVE-2021-29492, CVE-2022-2880',
      head(`GET ${target} HTTP/1.1`, host),
      {
        line: `GET ${target} HTTP/1.1`,
        fields: [host],
      },
    ),
  ),
];

/** Cases about syntax. */
export const syntaxCases: readonly RequestCase[] = [...values, ...names, ...lines, ...targets];
