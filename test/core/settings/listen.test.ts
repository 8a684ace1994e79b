// `listen`: texts and objects, what they become, and what is refused.
import * as assert from 'uvu/assert';
import { longestUnixPath } from '../../../core/network/unix-path.ts';
import { parse } from '../../../core/options/options.ts';
import { parseTcpAddress } from '../../../core/settings/listen.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { suite } from '../../support/suite.ts';

const test = suite('listen');

const listenOf = (listen: unknown) => parse(settingsSchema, { listen }).listen;

for (const [text, address, host, port] of [
  ['0.0.0.0:8080', '0.0.0.0:8080', '0.0.0.0', 8080],
  [':80', '0.0.0.0:80', '0.0.0.0', 80],
  ['[::]:80', '[::]:80', '::', 80],
  ['[0:0::0]:80', '[::]:80', '::', 80],
  ['[FE80::1]:0', '[fe80::1]:0', 'fe80::1', 0],
  ['LocalHost:65535', 'localhost:65535', 'localhost', 65535],
] as const) {
  test(`${text} is port ${port} of ${host}`, () => {
    assert.equal(listenOf(text), [{ name: address, address, target: { kind: 'tcp', host, port } }]);
  });
}

test('a unix socket is its path, and a mode in octal', () => {
  const address = 'unix:/run/weldr/http.sock';
  const target = { kind: 'unix', path: '/run/weldr/http.sock', mode: undefined };
  assert.equal(listenOf(address), [{ name: address, address, target }]);
  for (const mode of ['660', '0660']) {
    assert.equal(listenOf({ address, mode, name: 'local' }), [
      { name: 'local', address, target: { ...target, mode: 0o660 } },
    ]);
  }
});

test('texts and objects can be mixed; an entry without a name is named by its address', () => {
  const listens = listenOf([':80', { name: 'public', address: ':81', http2: false, h2c: false }]);
  assert.equal(
    listens.map(({ name, address }) => [name, address]),
    [
      ['0.0.0.0:80', '0.0.0.0:80'],
      ['public', '0.0.0.0:81'],
    ],
  );
});

for (const text of [
  '',
  '8080',
  'localhost',
  '::1:80',
  '[::1]',
  'a:65536',
  'a:-1',
  'a b:80',
  'http://a:80',
  'a:80/',
]) {
  test(`refuses the address ${JSON.stringify(text)}`, () => {
    assert.is(parseTcpAddress(text), undefined);
    const expected = /^listen\[0\]: expected an address such as "0\.0\.0\.0:8080" or "unix:/;
    assert.throws(() => listenOf(text), expected);
    assert.throws(() => listenOf({ address: text }), /^listen\[0\]\.address: expected an address such as/);
  });
}

const tls = { certificates: [{ cert: 'shop.pem', key: 'file:shop.key' }] };

const wrong: [input: unknown, message: RegExp][] = [
  [5, /^listen\[0\]: expected an address such as .*, got 5; did you mean ":5"\?$/],
  [[], /^listen: expected at least one address$/],
  [{}, /^listen\[0\]\.address: expected string, got nothing$/],
  [{ address: ':80', prot: 1 }, /^listen\[0\]\.prot: there is no such option/],
  [{ address: ':80', name: 'a b' }, /^listen\[0\]\.name: expected a name of letters/],
  [{ address: ':80', mode: '660' }, /^listen\[0\]\.mode: only the file of a unix: socket has a mode/],
  [{ address: 'unix:/a', mode: 660 }, /^listen\[0\]\.mode: expected string, got 660$/],
  [{ address: 'unix:/a', mode: '668' }, /^listen\[0\]\.mode: expected a mode in octal, as text, such as/],
  [{ address: 'unix:/a', mode: '4660' }, /^listen\[0\]\.mode/],
  [
    'unix:',
    /^listen\[0\]: "unix:" is not an address: write the path in full, such as unix:\/run\/app\.sock$/,
  ],
  ['unix:a.sock', /write the path in full/],
  ['unix:/run/../a', /without empty, "\." and "\.\." parts/],
  ['unix:/run/a\0b', /control characters/],
  [`unix:/${'a'.repeat(longestUnixPath)}`, /has \d+ bytes, and a socket's has \d+ at most/],
  // twice
  [[':8080', '0.0.0.0:8080'], /^listen\[1\]: 0\.0\.0\.0:8080 is listen\[0\] already; take one of them out$/],
  [['unix:/a', 'unix:/a'], /^listen\[1\]: unix:\/a is listen\[0\] already/],
  [
    ['[::]:80', '127.0.0.1:80'],
    /^listen\[1\]: \[::\]:80 takes the connections to 127\.0\.0\.1:80 too .*; take 127\.0\.0\.1:80 out$/,
  ],
  [
    ['127.0.0.1:80', ':80'],
    /^listen\[1\]: 0\.0\.0\.0:80 takes the connections to 127\.0\.0\.1:80 too .*; take 127\.0\.0\.1:80 out$/,
  ],
  [
    [
      { name: 'a', address: ':1' },
      { name: 'a', address: ':2' },
    ],
    /^listen\[1\]\.name: listen\[0\] is named a already; give one of them another name$/,
  ],
  [{ address: ':1', tls: { certificates: 'shop.pem' } }, /^listen\[0\]\.tls\.certificates: expected array/],
  [
    { address: ':1', tls: { certificates: [{ name: 'Shop', ...tls.certificates[0] }] } },
    /^listen\[0\]\.tls\.certificates\[0\]\.name: expected lower-case letters/,
  ],
  [{ address: ':1', tls: { ...tls, cert: 'a' } }, /^listen\[0\]\.tls\.cert: there is no such option/m],
  [{ address: ':1', tls: { certificates: [{ cert: 'a' }] } }, /^listen\[0\]\.tls\.certificates\[0\]\.key: /],
  [{ address: ':1', tls: { ...tls, clientAuth: { mode: 'require' } } }, /\.tls\.clientAuth\.ca: /],
  [{ address: ':1', tls: { ...tls, clientAuth: { ca: 'a', mode: 'maybe' } } }, /\.tls\.clientAuth\.mode: /],
  [{ address: ':1', tls: { ...tls, profile: 'old' } }, /^listen\[0\]\.tls\.profile: /],
  [{ address: ':1', proxyProtocol: true }, /^listen\[0\]\.proxyProtocol: expected object/],
  [
    { address: ':1', proxyProtocol: { trusted: ['x'] } },
    /\.proxyProtocol\.trusted\[0\]: expected an address/,
  ],
  [
    { address: ':1', proxyProtocol: {} },
    /^listen\[0\]\.proxyProtocol\.trusted: expected array, got nothing$/,
  ],
  [{ address: ':1', proxyProtocol: { trusted: [] } }, /^listen\[0\]\.proxyProtocol\.trusted: /],
  [
    { address: ':1', http2: true },
    /^listen\[0\]\.http2: HTTP\/2 by ALPN needs `tls`; without it, write h2c: true$/,
  ],
  [
    { address: ':1', tls, h2c: true },
    /^listen\[0\]\.h2c: only works without `tls`; over TLS, ALPN decides on HTTP\/2$/,
  ],
  [{ address: ':1', h2c: 'yes' }, /^listen\[0\]\.h2c: expected boolean, got "yes"$/],
];
for (const [input, message] of wrong) {
  test(`refuses ${JSON.stringify(input).slice(0, 100)}`, () => assert.throws(() => listenOf(input), message));
}

test('only the proxies that proxyProtocol names introduce connections', () => {
  const proxyProtocol = { trusted: ['10.0.0.0/8', '2001:db8::1', 'unix:'] };
  assert.equal(listenOf([{ address: ':1', proxyProtocol }])[0]?.proxyProtocol, proxyProtocol);
  assert.is(listenOf(':1')[0]?.proxyProtocol, undefined);
});

test('one mistake causes one message', () => {
  assert.throws(() => listenOf([{ address: ':1', http2: true }]), /^[^\n]*$/);
});

test('HTTP/2 is used over TLS unless it is turned off, and without TLS where h2c turns it on', () => {
  const http2 = (entry: object) => listenOf([{ address: ':1', ...entry }])[0]?.http2;
  assert.equal([http2({}), http2({ h2c: true }), http2({ h2c: false })], [undefined, true, undefined]);
  assert.equal(
    [http2({ tls }), http2({ tls, http2: true }), http2({ tls, http2: false })],
    [true, true, undefined],
  );
});
