// The name that a client asks for, read from the first bytes of its handshake, however they arrive.
import { once } from 'node:events';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { ClientHello, readServerName } from '../../../../core/http/accept/client-hello.ts';
import { helloOf } from '../../../support/client-hello.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('ClientHello');

const vector = (size: 1 | 2 | 3, content: Buffer): Buffer => {
  const length = Buffer.alloc(size);
  length.writeUIntBE(content.length, 0, size);
  return Buffer.concat([length, content]);
};
const extension = (type: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, content)]);
const names = (...list: Buffer[]): Buffer =>
  extension(
    0,
    vector(2, Buffer.concat(list.map(name => Buffer.concat([Buffer.from([0]), vector(2, name)])))),
  );
const grease = extension(0x0a0a, Buffer.from([0]));
const encrypted = extension(0xfe0d, Buffer.alloc(250, 7));

/** A hello with these extensions. */
const message = (...extensions: Buffer[]): Buffer => {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 1),
    vector(1, Buffer.alloc(32, 2)),
    vector(2, Buffer.from([0x0a, 0x0a, 0x13, 1])),
    vector(1, Buffer.from([0])),
    ...(extensions.length === 0 ? [] : [vector(2, Buffer.concat(extensions))]),
  ]);
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
};
/** The records that carry it, of at most this many bytes each. */
const records = (whole: Buffer, size = 16_384): Buffer => {
  const all: Buffer[] = [];
  for (let at = 0; at < whole.length; at += size) {
    all.push(Buffer.from([22, 3, 1]), vector(2, whole.subarray(at, at + size)));
  }
  return Buffer.concat(all);
};

/** The result for bytes in pieces of this size, and after how many bytes; undefined when more are needed. */
function read(bytes: Buffer, size = bytes.length): { name: string | undefined; after: number } | undefined {
  const hello = new ClientHello();
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    const isDone = hello.push(piece);
    assert.ok(hello.received.equals(bytes.subarray(0, at + piece.length)), 'nothing is lost');
    if (isDone) return { name: hello.serverName, after: at + piece.length };
  }
  return undefined;
}

test('the name from real clients is found, or that there is none', async () => {
  for (const options of [{}, { maxVersion: 'TLSv1.2' }, { ALPNProtocols: ['h2', 'http/1.1'] }] as const) {
    const named = await helloOf({ servername: 'Shop.test', ...options });
    assert.is(read(named)?.name, 'Shop.test');
    assert.equal(read(await helloOf({ servername: '', ...options })), {
      name: undefined,
      after: named.length - 18,
    });
  }
});

test('it is found in pieces and records of any size, with the last byte and not before', () => {
  const whole = message(grease, names(Buffer.from('shop.test')), encrypted);
  for (const recordSize of [1, 2, 3, 7, 60, 16_384]) {
    const bytes = records(whole, recordSize);
    for (const size of [1, 2, 5, 6, 11, 100, bytes.length]) {
      const after = Math.min(bytes.length, Math.ceil(bytes.length / size) * size);
      assert.equal(read(bytes, size), { name: 'shop.test', after }, `${recordSize} ${size}`);
    }
    assert.is(read(bytes.subarray(0, -1)), undefined, 'more is waited for');
  }
});

test('the bytes after it stay', () => {
  const hello = records(message(names(Buffer.from('a.test'))));
  assert.is(read(Buffer.concat([hello, Buffer.from('more')]))?.name, 'a.test');
});

test('it is read from a socket, which gets all bytes back, including those put back before', async () => {
  const hello = records(message(names(Buffer.from('shop.test'))));
  for (const putBack of [0, 3, hello.length]) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const client = connectPlain(
      typeof address === 'object' && address !== null ? address.port : 0,
      '127.0.0.1',
    );
    const [socket]: Socket[] = await once(server, 'connection');
    assert.ok(socket);
    client.write(hello.subarray(0, putBack));
    if (putBack > 0) {
      await once(socket, 'readable');
      socket.unshift(socket.read());
    }
    const named = new Promise(resolve => readServerName(socket, resolve));
    client.write(hello.subarray(putBack));
    assert.is(await named, 'shop.test');
    assert.ok(hello.equals(socket.read()));
    client.destroy();
    socket.destroy();
    server.close();
  }
});

test('bytes that are not a hello, or a malformed one, are left to OpenSSL at once', () => {
  const good = records(message(names(Buffer.from('a.test'))));
  const edited = (at: number, value: number): Buffer => Buffer.from(good).fill(value, at, at + 1);
  for (const [what, bytes] of Object.entries({
    'plain HTTP': Buffer.from('GET / HTTP/1.1\r\n'),
    'SSL 2': Buffer.from([0x80, 0x2e, 1, 0, 2]),
    'an alert': Buffer.from([21, 3, 1, 0, 2, 1, 0]),
    'another version': edited(1, 4),
    'another message': edited(5, 2),
    'a record without bytes': Buffer.from([22, 3, 1, 0, 0]),
    'a record that is too long': Buffer.from([22, 3, 1, 0x40, 1]),
    'a hello that is too long': Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x80, 1]),
    'no extensions': records(message()),
    'a name without letters': records(message(names(Buffer.alloc(0)))),
    'a name of another kind': records(message(extension(0, vector(2, Buffer.from([1, 0, 1, 65]))))),
    'lengths beyond the end': records(message(extension(0, Buffer.from([0, 200, 0, 0, 100, 65])))),
  })) {
    const said = read(bytes);
    assert.ok(said, what);
    assert.is(said.name, undefined, what);
  }
});

test('at most 32 KB are read, in any number of records', () => {
  const endless = records(message(extension(21, Buffer.alloc(30_000)), names(Buffer.from('a.test'))), 10);
  const after = read(endless, 1_000)?.after ?? 0;
  assert.ok(after > 32_000 && after < 34_000, `${after}`);
});

test('random bytes anywhere neither throw nor yield a name that is not among them', () => {
  const good = records(message(grease, names(Buffer.from('a.test')), encrypted));
  const random = randomOf(1);
  for (let n = 0; n < 20_000; n++) {
    const bytes = Buffer.from(good);
    for (let edits = random(4); edits >= 0; edits--) bytes[random(bytes.length)] = random(256);
    const said = read(
      bytes.subarray(0, random(2) === 0 ? bytes.length : random(bytes.length)),
      1 + random(400),
    );
    if (said?.name !== undefined) assert.ok(bytes.includes(said.name, 0, 'latin1'));
  }
});
