// Several key types for one name: each client gets a certificate of a type that it supports, in any version of TLS.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import { makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';

const test = suite('certificates of several types for one name');

const ec = (name: string) => makeCertificate({ names: [name] });
const rsa = (name: string) => makeCertificate({ names: [name], keyType: 'rsa' });
const certificates = [
  ec('first.test'),
  ec('both.test'),
  rsa('both.test'),
  rsa('*.wild.test'),
  ec('*.wild.test'),
  rsa('rsa.test'),
];
const material = (more: object = {}, given: readonly object[] = certificates) =>
  readTls(listenerTls.parse({ certificates: given, ...more }), 'tls').material;

async function withProxy(
  use: (proxy: TestProxy) => Promise<void>,
  more = {},
  given = certificates,
): Promise<void> {
  const proxy = await startProxy({ tls: material(more, given) });
  try {
    await use(proxy);
  } finally {
    proxy.close();
  }
}

interface Shown {
  readonly name: string;
  readonly type: string;
}

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  return socket.on('error', () => {});
}

/** The certificate that a client gets, or the code of its error. */
async function shown(port: number, options: ConnectionOptions): Promise<Shown | string> {
  try {
    const socket = await handshake(port, options);
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    const name = certificate?.subject?.replace('CN=', '') ?? '';
    return { name, type: certificate?.publicKey.asymmetricKeyType ?? '' };
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
  }
}

const readsRsa = { sigalgs: 'RSA-PSS+SHA256:RSA+SHA256' };
const readsEc = { sigalgs: 'ECDSA+SHA256' };
const agreesOnRsa = { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
const agreesOnEc = { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

test('each client gets the type that it supports, and ECDSA if it supports both', async () => {
  await withProxy(async ({ port }) => {
    for (const [servername, name] of [
      ['both.test', 'both.test'],
      ['BOTH.test', 'both.test'],
      ['a.wild.test', '*.wild.test'],
    ] as const) {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        assert.equal(await shown(port, { servername, maxVersion }), { name, type: 'ec' });
        assert.equal(await shown(port, { servername, maxVersion, ...readsEc }), { name, type: 'ec' });
        assert.equal(await shown(port, { servername, maxVersion, ...readsRsa }), { name, type: 'rsa' });
      }
      assert.equal(await shown(port, { servername, ...agreesOnEc }), { name, type: 'ec' });
      assert.equal(await shown(port, { servername, ...agreesOnRsa }), { name, type: 'rsa' });
    }
  });
});

test('names with one type, unknown names and clients without a name are served as before', async () => {
  await withProxy(async ({ port }) => {
    assert.equal(await shown(port, { servername: 'rsa.test' }), { name: 'rsa.test', type: 'rsa' });
    for (const servername of ['first.test', 'unknown.test', '']) {
      assert.equal(await shown(port, { servername }), { name: 'first.test', type: 'ec' });
      assert.match(String(await shown(port, { servername, ...readsRsa })), 'HANDSHAKE_FAILURE');
    }
    assert.match(String(await shown(port, { servername: 'rsa.test', ...readsEc })), 'HANDSHAKE_FAILURE');
  });
  const refuse = { unknownName: 'refuse' };
  await withProxy(async ({ port }) => {
    assert.match(String(await shown(port, { servername: 'unknown.test' })), 'UNRECOGNIZED_NAME');
    assert.equal(await shown(port, { servername: 'both.test', ...readsRsa }), {
      name: 'both.test',
      type: 'rsa',
    });
  }, refuse);
});

test('clients that ask for no name get every type of the first name in the list', async () => {
  const twins = certificates.slice(1);
  await withProxy(
    async ({ port }) => {
      for (const servername of ['', 'both.test', 'unknown.test']) {
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
          const options = { servername, maxVersion };
          assert.equal(await shown(port, { ...options, ...readsEc }), { name: 'both.test', type: 'ec' });
          assert.equal(await shown(port, { ...options, ...readsRsa }), { name: 'both.test', type: 'rsa' });
        }
      }
      assert.equal(await shown(port, { servername: 'a.wild.test', ...readsRsa }), {
        name: '*.wild.test',
        type: 'rsa',
      });
    },
    {},
    twins,
  );
});

async function sessionOf(port: number, options: ConnectionOptions): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  // In TLS 1.3 it follows the handshake.
  const [session] = await once(socket, 'session');
  socket.destroy();
  return session;
}

test('a session is resumed with any type of certificate and version of TLS', async () => {
  await withProxy(async ({ port }) => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const reads of [readsEc, readsRsa]) {
        const options = { servername: 'both.test', maxVersion, ...reads };
        const session = await sessionOf(port, options);
        const again = await handshake(port, { ...options, session });
        assert.ok(again.isSessionReused(), `${maxVersion} ${reads.sigalgs}`);
        again.destroy();
      }
    }
  });
});

/** The type that openssl's client gets. */
async function typeForOpenssl(port: number, ...args: string[]): Promise<string> {
  const to = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'both.test'];
  const output = await new Promise<string>(resolve => {
    const child = execFile('openssl', [...to, ...args], (_error, stdout, stderr) => resolve(stdout + stderr));
    child.stdin?.end();
  });
  return /^Peer signature type: (\S+)/im.exec(output)?.[1] ?? output;
}

test("openssl's client gets the type that it requests by -sigalgs and -cipher", async () => {
  await withProxy(async ({ port }) => {
    for (const [args, type] of [
      [['-tls1_3'], /ecdsa/i],
      [['-tls1_3', '-sigalgs', 'rsa_pss_rsae_sha256'], /rsa/i],
      [['-tls1_3', '-sigalgs', 'ecdsa_secp256r1_sha256'], /ecdsa/i],
      [['-tls1_2', '-cipher', 'ECDHE-RSA-AES256-GCM-SHA384'], /rsa/i],
      [['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'], /ecdsa/i],
    ] as const) {
      assert.match(await typeForOpenssl(port, ...args), type, args.join(' '));
    }
  });
});

/** Forwards a connection, with the client's first record split into records of this size and every byte sent alone. */
async function dripping(port: number, recordSize: number): Promise<{ server: Server; port: number }> {
  const server = createServer(client => void drip(client, connectPlain(port, '127.0.0.1'), recordSize));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

async function drip(client: Socket, upstream: Socket, recordSize: number): Promise<void> {
  for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', () => {});
  client.on('close', () => upstream.destroy());
  upstream.pipe(client);
  const [first]: Buffer[] = await once(client, 'data');
  const message = (first ?? Buffer.alloc(0)).subarray(5);
  for (let at = 0; at < message.length; at += recordSize) {
    const part = message.subarray(at, at + recordSize);
    const record = Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part]);
    for (const byte of record) {
      upstream.write(Buffer.from([byte]));
      await new Promise(resolve => setImmediate(resolve));
    }
  }
  client.pipe(upstream);
}

test('a hello that arrives byte by byte, in several records, is understood', async () => {
  await withProxy(async ({ port }) => {
    for (const recordSize of [100, 16_384]) {
      const slow = await dripping(port, recordSize);
      const options = { servername: 'both.test', ecdhCurve: 'X25519', ...readsRsa };
      assert.equal(await shown(slow.port, options), { name: 'both.test', type: 'rsa' });
      slow.server.close();
    }
  });
});

test('clients that leave, reset, send nonsense or wait leave nothing behind', async () => {
  const settings = { timeouts: { header: '500ms' } };
  const proxy = await startProxy({ tls: material(), settings });
  try {
    for (const piece of ['', '\x16', '\x16\x03\x01\x02\x00\x01', 'SSH-2.0-x\r\n', '\x00'.repeat(500)]) {
      for (const how of ['close', 'finish', 'reset', undefined] as const) {
        const client = await RawClient.open(proxy.port);
        if (piece !== '') client.send(piece);
        if (how !== undefined) client[how]();
      }
    }
    await until('the end of all', () => proxy.listener.connections === 0, 20_000);
    const client = await RawClient.open(proxy.port);
    client.send('GET / HTTP/1.1\r\nHost: both.test\r\n\r\n');
    await client.untilEnd();
    assert.match(client.text, 'this port speaks TLS');
    assert.equal(await shown(proxy.port, { servername: 'both.test' }), { name: 'both.test', type: 'ec' });
  } finally {
    proxy.close();
  }
});

test('new certificates change the types for later handshakes', async () => {
  await withProxy(async ({ port, listener }) => {
    const options = { servername: 'both.test', ...readsRsa };
    listener.changeTls(Buffer.alloc(48, 1), { '': material({}, certificates.slice(0, 2)) });
    assert.match(String(await shown(port, options)), 'HANDSHAKE_FAILURE');
    listener.changeTls(Buffer.alloc(48, 1), { '': material() });
    assert.equal(await shown(port, options), { name: 'both.test', type: 'rsa' });
  });
});
