// A server's URL: what is accepted, the id that results, and what is refused.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { longestUnixPath } from '../../../core/network/unix-path.ts';
import { parseServerAddress } from '../../../core/pool/server-address.ts';
import { suite } from '../../support/suite.ts';

const test = suite("a server's URL");

for (const [text, id, hostname, port, authority] of [
  ['http://127.0.0.1:12345', 'http://127.0.0.1:12345', '127.0.0.1', 12345, '127.0.0.1:12345'],
  ['http://Example.COM/', 'http://example.com', 'example.com', 80, 'example.com'],
  ['http://example.com:80', 'http://example.com', 'example.com', 80, 'example.com'],
  ['HTTPS://example.com', 'https://example.com', 'example.com', 443, 'example.com'],
  ['https://[::1]:8443', 'https://[::1]:8443', '::1', 8443, '[::1]:8443'],
  ['h2c://Example.com', 'h2c://example.com', 'example.com', 80, 'example.com'],
  ['H2C://[::1]:50051/', 'h2c://[::1]:50051', '::1', 50_051, '[::1]:50051'],
] as const) {
  test(`${text} is ${id}`, () => {
    const protocol = id.startsWith('https') ? 'https:' : 'http:';
    const http2 = id.startsWith('h2c');
    const endpoint = { kind: 'tcp', hostname, port };
    assert.equal(parseServerAddress(text), { id, protocol, http2, authority, endpoint });
  });
}

for (const path of [
  '/run/app.sock',
  '/run/my app/%2F?#:.sock',
  '/ä',
  `/${'a'.repeat(longestUnixPath - 1)}`,
]) {
  test(`unix:${path} is a socket for plain HTTP to localhost`, () => {
    assert.equal(parseServerAddress(`unix:${path}`), {
      id: `unix:${path}`,
      protocol: 'http:',
      http2: false,
      authority: 'localhost',
      endpoint: { kind: 'unix', path },
    });
  });
}

for (const text of [
  '',
  'example.com',
  'ftp://example.com',
  'http://',
  'http:///path',
  'http://a/path',
  'http://a?x',
  'http://a#x',
  'http://user@a',
  'http://user:pass@a',
  'http://a b',
  'http://a\\b',
  'http://a:0',
  'http://a:65536',
  'http://a:port',
  'http://[::1',
  ' http://a',
  'http://a\n',
  'javascript:alert(1)',
  'UNIX:/tmp/socket',
  ' unix:/tmp/socket',
]) {
  test(`refuses ${JSON.stringify(text)}`, () =>
    refused(text, /is not a server's URL: (expected http|port 0)/));
}

for (const [text, why] of [
  ['unix:', /write the path in full, such as unix:\/run\/app\.sock$/],
  ['unix:run/app.sock', /write the path in full/],
  ['unix:./app.sock', /write the path in full/],
  ['unix:@abstract', /write the path in full/],
  ['unix:/', /without empty, "\." and "\.\." parts$/],
  ['unix:/run/', /without empty/],
  ['unix:///run/app.sock', /without empty/],
  ['unix:/run//app.sock', /without empty/],
  ['unix:/run/../etc/app.sock', /without empty/],
  ['unix:/run/./app.sock', /without empty/],
  ['unix:/run/..', /without empty/],
  ['unix:/run/app\0.sock', /control characters/],
  ['unix:/run/app\n.sock', /control characters/],
  ['unix:/run/\ud800', /control characters/],
  [`unix:/${'a'.repeat(longestUnixPath)}`, /has \d+ bytes, and a socket's has \d+ at most: choose a shorter/],
  [`unix:/${'ä'.repeat(60)}`, /has 121 bytes/],
] as const) {
  test(`refuses ${JSON.stringify(text).slice(0, 40)}`, () => refused(text, why));
}

function refused(text: string, why: RegExp): void {
  assert.throws(
    () => parseServerAddress(text),
    (error: unknown) =>
      error instanceof WeldrError &&
      error.code === 'INPUT_INVALID' &&
      error.field === 'url' &&
      why.test(error.message),
  );
}
