// Targets, Host, and hop-by-hop fields.
import { type Forwarded, head, host, pass, plainGet, type RequestCase, refuse } from './case.ts';

const get = 'GET / HTTP/1.1';

const arrives = (line: string, name: string, ...fields: string[]): Forwarded => ({
  line,
  fields: [`Host: ${name}`, ...fields],
});

const badHosts = [
  '',
  ' ',
  'a b',
  'a,b',
  'a.test, b.test',
  'a/b',
  'a@b',
  'user@a.test',
  'a?b',
  'a#b',
  'a:b',
  'a:99999',
  'a:-1',
  'a:80:80',
  'a:8 0',
  '[::1',
  '::1',
  '[::1]x',
  '[]',
  '[::1]:x',
  '[::1%25eth0]',
  '[a.test]',
  'http://a.test',
  'a\tb',
  'a\\b',
  'a"b',
  '-a.test',
  '.a.test',
  'a..test',
  'a.test..',
  'a%00',
  'a%2eb',
  "a'b",
  'a;b',
  'a=b',
  'a{b',
  '\xe9',
  '*',
  'a.test:+80',
  `${'a'.repeat(300)}`,
  `[${':'.repeat(300)}]`,
];

const hosts: RequestCase[] = [
  ...badHosts.map(value =>
    refuse(
      `a Host of ${JSON.stringify(value.slice(0, 40))}`,
      'RFC 9112 3.2, RFC 9110 7.2',
      head(get, `Host: ${value}`),
    ),
  ),
  refuse('no Host', 'RFC 9112 3.2', head(get, 'X: y')),
  refuse('no field at all', 'RFC 9112 3.2', head(get)),
  refuse('Host twice', 'RFC 9112 3.2', head(get, host, 'Host: b.test')),
  refuse('the same Host twice', 'RFC 9112 3.2', head(get, host, 'host: a.test')),
  refuse('Host twice, one empty', 'RFC 9112 3.2', head(get, 'Host:', host)),
  refuse(
    'an invalid Host beside an absolute target',
    'RFC 9112 3.2',
    head('GET http://b.test/ HTTP/1.1', 'Host: a b'),
  ),
  refuse('no Host beside an absolute target', 'RFC 9112 3.2', head('GET http://b.test/ HTTP/1.1', 'X: y')),
  refuse('an invalid Host in HTTP/1.0', 'RFC 9112 3.2', head('GET / HTTP/1.0', 'Host: a/b')),
  refuse('Host twice in HTTP/1.0', 'RFC 9112 3.2', head('GET / HTTP/1.0', host, host)),
  ...[
    'a',
    'A.Test',
    'a.test:80',
    'a.test:8080',
    '127.0.0.1',
    '[::1]',
    '[::1]:8080',
    'a.test:',
    '[::1]:',
    'a_b.test',
    'a.test.',
    'xn--nxasmq6b',
    'a--b',
    '1',
  ].map(name =>
    pass(
      `a Host of ${name} passes unchanged`,
      'RFC 9110 7.2',
      head(get, `Host: ${name}`),
      arrives(get, name),
    ),
  ),
];

const forms: RequestCase[] = [
  ...(
    [
      ['GET http://b.test/x?y HTTP/1.1', 'GET /x?y HTTP/1.1', 'b.test'],
      ['GET http://b.test HTTP/1.1', 'GET / HTTP/1.1', 'b.test'],
      ['GET http://b.test?q HTTP/1.1', 'GET /?q HTTP/1.1', 'b.test'],
      ['GET HTTP://B.test:81/ HTTP/1.1', 'GET / HTTP/1.1', 'B.test:81'],
      ['GET http://b.test:/x HTTP/1.1', 'GET /x HTTP/1.1', 'b.test'],
      ['GET http://[::1]: HTTP/1.1', 'GET / HTTP/1.1', '[::1]'],
      ['GET https://b.test/ HTTP/1.1', 'GET / HTTP/1.1', 'b.test'],
      ['GET http://[::1]:81/a HTTP/1.1', 'GET /a HTTP/1.1', '[::1]:81'],
      ['GET http://b.test//c.test/ HTTP/1.1', 'GET //c.test/ HTTP/1.1', 'b.test'],
      ['GET http://b.test/@c HTTP/1.1', 'GET /@c HTTP/1.1', 'b.test'],
      ['OPTIONS http://b.test HTTP/1.1', 'OPTIONS * HTTP/1.1', 'b.test'],
      ['OPTIONS http://b.test/ HTTP/1.1', 'OPTIONS / HTTP/1.1', 'b.test'],
    ] as const
  ).map(([sent, line, name]) =>
    pass(
      `${sent} arrives as ${line} for ${name}`,
      'RFC 9112 3.2.2, 3.2.4; CVE-2026-1527',
      head(sent, host),
      arrives(line, name),
    ),
  ),
  pass(
    'OPTIONS * passes',
    'RFC 9112 3.2.4',
    head('OPTIONS * HTTP/1.1', host),
    arrives('OPTIONS * HTTP/1.1', 'a.test'),
  ),
  ...[
    'http:///x',
    'http://',
    'http://u@b.test/',
    'http://u:p@b.test/',
    'http://b.test:99999/',
    'http://b test/',
    'http://b%2etest/',
    'ftp://b.test/',
    'ws://b.test/',
    'http:/x',
    'http:x',
    'http//x',
    'javascript:x',
    'a.test:80',
    'a.test',
    '@b.test',
    '?x',
    ':80',
    '%2f',
    '.',
    '..',
    '-',
    'x/y',
    'http://a.test\\@b.test/',
    'http://[::1/',
    'http://b.test@c.test',
  ].map(target =>
    refuse(
      `the target ${target}`,
      'RFC 9112 3.2; RFC 9110 4.2.1; CVE-2021-40438',
      head(`GET ${target} HTTP/1.1`, host),
    ),
  ),
  refuse('* for a method other than OPTIONS', 'RFC 9112 3.2.4', head('GET * HTTP/1.1', host)),
  refuse('** for OPTIONS', 'RFC 9112 3.2.4', head('OPTIONS ** HTTP/1.1', host)),
  refuse(
    'CONNECT with an authority',
    'RFC 9110 9.3.6; CVE-2025-64763',
    `${head('CONNECT a.test:443 HTTP/1.1', 'Host: a.test:443')}early`,
    405,
  ),
  refuse('CONNECT with a path', 'RFC 9110 9.3.6', head('CONNECT / HTTP/1.1', host), 405),
  refuse('TRACE', 'RFC 9110 9.3.8', head('TRACE / HTTP/1.1', host), 405),
];

const hopByHop: RequestCase[] = [
  pass(
    'a field that Connection names is dropped, and Connection itself',
    'RFC 9110 7.6.1; CVE-2022-31813',
    head(get, host, 'Connection: x-foo', 'X-Foo: 1', 'X-Bar: 2'),
    plainGet('X-Bar: 2'),
  ),
  pass(
    'all fields that Connection names are dropped',
    'RFC 9110 7.6.1',
    head(get, host, 'X-A: 1', 'Connection: keep-alive , X-A,x-b', 'X-B: 2', 'X-A: 3', 'X-C: 4'),
    plainGet('X-C: 4'),
  ),
  pass(
    'two Connection lines count both',
    'RFC 9110 7.6.1',
    head(get, host, 'Connection: x-a', 'X-A: 1', 'Connection: x-b', 'X-B: 2'),
    plainGet(),
  ),
  pass(
    'an empty element in Connection is skipped',
    'RFC 9110 5.6.1',
    head(get, host, 'Connection: , x-a,', 'X-A: 1'),
    plainGet(),
  ),
  ...[
    'Host',
    'X-Forwarded-For',
    'x-forwarded-proto',
    'X-Forwarded-Host',
    'X-Forwarded-Port',
    'Via',
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
  ].map(name =>
    pass(
      `Connection cannot remove ${name}`,
      'RFC 9110 7.6.1; CVE-2024-45410, CVE-2026-29054',
      head(get, host, `Connection: ${name}`),
      plainGet(),
    ),
  ),
  pass(
    'Connection cannot remove the framing',
    'RFC 9110 7.6.1',
    `${head('POST / HTTP/1.1', host, 'Connection: content-length, transfer-encoding', 'Content-Length: 3')}abc`,
    {
      line: 'POST / HTTP/1.1',
      fields: [host],
      framing: 'Content-Length: 3',
      body: 'abc',
    },
  ),
  pass(
    'Connection cannot remove the coding',
    'RFC 9110 7.6.1',
    `${head('POST / HTTP/1.1', host, 'Connection: transfer-encoding', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    {
      line: 'POST / HTTP/1.1',
      fields: [host],
      framing: 'Transfer-Encoding: chunked',
      body: '0\r\n\r\n',
      payload: '',
    },
  ),
  ...['a b', '"x"', 'x;y', 'x=y', '(x)', 'x\xff', 'a,b c'].map(value =>
    refuse(
      `a Connection of ${JSON.stringify(value)}`,
      'RFC 9110 7.6.1',
      head(get, host, `Connection: ${value}`),
    ),
  ),
  ...[
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'TE: trailers',
    'TE: gzip',
    'HTTP2-Settings: AAMAAABkAAQAAP',
    'Upgrade: websocket',
    'Upgrade: h2c',
  ].map(line =>
    pass(`${line} is dropped`, 'RFC 9110 7.6.1, 7.8', head(get, host, line, 'X: y'), plainGet('X: y')),
  ),
  pass(
    'h2c is not forwarded',
    'RFC 9110 7.8 (request smuggling by h2c)',
    head(get, host, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP'),
    plainGet(),
  ),
  ...['h2c, websocket', 'websocket, h2c', 'H2C', 'http/2.0', 'h2c/1'].map(value =>
    pass(
      `an Upgrade of ${value} is not forwarded`,
      'RFC 9110 7.8 (request smuggling by h2c)',
      head(get, host, 'Connection: Upgrade', `Upgrade: ${value}`),
      plainGet(),
    ),
  ),
  pass(
    'an Upgrade in HTTP/1.0 is ignored',
    'RFC 9110 7.8',
    head('GET / HTTP/1.0', host, 'Connection: upgrade, keep-alive', 'Upgrade: websocket'),
    { ...plainGet(), received: '1.0' },
  ),
  ...[
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-for: 6.6.6.6',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil.test',
    'X-Forwarded-Port: 1',
    'Forwarded: for=6.6.6.6',
    'X_Forwarded_For: 6.6.6.6',
    'x.forwarded.host: evil.test',
    'X-Forwarded_Proto: https',
    'X-Forwarded-Server: evil',
    'X-Forwarded-Prefix: /evil',
  ].map(line =>
    pass(
      `a stranger cannot send ${line}`,
      'RFC 7239 8.1; CVE-2026-88011',
      head(get, host, line, 'X: y'),
      plainGet('X: y'),
    ),
  ),
  pass('Via is appended to', 'RFC 9110 7.6.3', head(get, host, 'Via: 1.0 other'), plainGet('Via: 1.0 other')),
  pass(
    'Max-Forwards on a GET passes',
    'RFC 9110 7.6.2',
    head(get, host, 'Max-Forwards: 0'),
    plainGet('Max-Forwards: 0'),
  ),
  pass(
    'Max-Forwards on OPTIONS is decremented',
    'RFC 9110 7.6.2',
    head('OPTIONS / HTTP/1.1', host, 'Max-Forwards: 3'),
    arrives('OPTIONS / HTTP/1.1', 'a.test', 'Max-Forwards: 2'),
  ),
  ...['x', '-1', '1.0', '', '1 1', '99999999999'].map(value =>
    refuse(
      `Max-Forwards on OPTIONS that is ${JSON.stringify(value)}`,
      'RFC 9110 7.6.2',
      head('OPTIONS / HTTP/1.1', host, `Max-Forwards: ${value}`),
    ),
  ),
  refuse(
    'Max-Forwards twice',
    'RFC 9110 5.3',
    head('OPTIONS / HTTP/1.1', host, 'Max-Forwards: 1', 'Max-Forwards: 0'),
  ),
  refuse(
    'a request that has passed eight proxies of this name',
    'RFC 9110 7.6.3',
    head(get, host, `Via: ${'1.1 weldr, '.repeat(7)}1.1 weldr`),
    508,
  ),
  pass(
    'Authorization and Cookie pass',
    'RFC 9110 11.6.2',
    head(get, host, 'Authorization: Basic x', 'Cookie: a=b; c=d', 'Proxy-Authorization: x'),
    plainGet('Authorization: Basic x', 'Cookie: a=b; c=d', 'Proxy-Authorization: x'),
  ),
];

const expectations: RequestCase[] = [
  ...['x', '100-continue, x', '100-continue x', '100', '', '"100-continue"', '100-continue;a'].map(value =>
    refuse(
      `an Expect of ${JSON.stringify(value)}`,
      'RFC 9110 10.1.1 (obfuscated expectations)',
      `${head('POST / HTTP/1.1', host, `Expect: ${value}`, 'Content-Length: 3')}abc`,
      417,
    ),
  ),
  refuse(
    'Expect twice',
    'RFC 9110 10.1.1',
    `${head('POST / HTTP/1.1', host, 'Expect: 100-continue', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
  ),
  pass(
    'Expect without a body is dropped',
    'RFC 9110 10.1.1',
    head(get, host, 'Expect: 100-continue'),
    plainGet(),
  ),
  pass(
    'Expect in HTTP/1.0 is dropped',
    'RFC 9110 10.1.1',
    `${head('POST / HTTP/1.0', host, 'Connection: keep-alive', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    {
      line: 'POST / HTTP/1.1',
      fields: [host],
      framing: 'Content-Length: 3',
      body: 'abc',
      received: '1.0',
    },
  ),
  pass(
    'Expect with a body that has arrived passes',
    'RFC 9110 10.1.1',
    `${head('POST / HTTP/1.1', host, 'Expect: 100-Continue', 'Content-Length: 3')}abc`,
    {
      line: 'POST / HTTP/1.1',
      fields: [host, 'Expect: 100-Continue'],
      framing: 'Content-Length: 3',
      body: 'abc',
    },
  ),
];

/** Cases about targets, Host and fields of one hop. */
export const routingCases: readonly RequestCase[] = [...hosts, ...forms, ...hopByHop, ...expectations];
