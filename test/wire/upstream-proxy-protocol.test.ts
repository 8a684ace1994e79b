// The PROXY protocol to servers: a second Weldr as the server reports the clients of its connections.
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import type { UpstreamRecord } from '../../core/pool/pool.ts';
import type { ConnectionInfo } from '../../core/stages/connection-info.ts';
import { upstreamRecord } from '../../core/testing/pool.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { freePort } from '../support/ports.ts';
import { lineV1 } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';
import { askUnix, socketFolder } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('the PROXY protocol to servers');

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const tls = readTls(
  listenerTls.parse({ certificates: [{ cert: certificate, key: privateKey }] }),
  'tls',
).material;

interface Ends {
  /** Sends headers. */
  readonly front: TestProxy;
  /** Receives headers. */
  readonly back: TestProxy;
  /** Finished connections of `back`. */
  readonly over: ConnectionInfo[];
}

type Version = UpstreamRecord['proxyProtocol'];

/** The server's listener, with TLS or without. */
interface BackOptions extends Pick<ProxyOptions, 'tls' | 'http2'> {
  readonly version?: Version;
}

async function between(
  { version = 'v2', ...back }: BackOptions,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions = {},
): Promise<void> {
  const over: ConnectionInfo[] = [];
  const origin = await ScriptedOrigin.start({ answer: () => ok('hello') });
  const behind = await startProxy({
    upstreams: [origin.url],
    proxyProtocol: { trusted: ['127.0.0.1'] },
    tap: hooks => hooks.connectionFinished.tap('note', info => void over.push(info)),
    ...back,
  });
  const url = `http${back.tls === undefined ? '' : 's'}://127.0.0.1:${behind.port}`;
  const front = await startProxy({
    upstreams: [{ url, proxyProtocol: version, tls: { verify: false } }],
    ...options,
  });
  try {
    await use({ front, back: behind, over });
  } finally {
    front.close();
    behind.close();
    await origin.close();
  }
}

for (const version of ['v1', 'v2'] as const) {
  for (const secured of [false, true]) {
    test(`${version} ${secured ? 'before TLS' : 'before HTTP'}: names the client and the address it connected to`, () =>
      between({ version, ...(secured && { tls }) }, async ({ front, back }) => {
        const client = await RawClient.open(front.port);
        client.send(get + get);
        await client.responses('GET', 'GET');
        await until('both are over', () => back.finished.length === 2);
        for (const ctx of back.finished) {
          assert.equal(
            [ctx.clientIp, ctx.clientPort, ctx.localPort, ctx.request.proxy?.version],
            ['127.0.0.1', client.socket.localPort, front.port, version === 'v1' ? 1 : 2],
          );
        }
        client.close();
      }));
  }
}

test('HTTP/1.1 is used, because clients would share an HTTP/2 connection', () =>
  between({ tls, http2: true }, async ({ front, back }) => {
    const client = await RawClient.open(front.port);
    client.send(get);
    await client.response();
    await until('it is over', () => back.finished.length === 1);
    assert.equal(
      [back.finished[0]?.request.version, back.finished[0]?.clientPort],
      ['1.1', client.socket.localPort],
    );
    client.close();
  }));

test('a connection is reused by requests of the same client connection, and by no others', () =>
  between({}, async ({ front, back, over }) => {
    const [first, second] = [await RawClient.open(front.port), await RawClient.open(front.port)];
    const asked = new Map([
      [first, 0],
      [second, 0],
    ]);
    for (const client of [first, first, second, first, second]) {
      client.send(get);
      const count = (asked.get(client) ?? 0) + 1;
      asked.set(client, count);
      await client.responses(...Array<string>(count).fill('GET'));
    }
    await until('all are over', () => back.finished.length === 5);
    const ports = [first, first, second, first, second].map(({ socket }) => socket.localPort);
    assert.equal(
      back.finished.map(ctx => ctx.clientPort),
      ports,
    );
    assert.equal([back.listener.connections, over.length], [2, 0]);
    for (const client of [first, second]) client.close();
  }));

test('with one connection allowed, clients take turns and none is presented as another', () =>
  between(
    {},
    async ({ front, back }) => {
      const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(front.port)));
      for (const client of clients) client.send(get);
      for (const client of clients) assert.is(statusOf(await client.response()), 200);
      await until('all are over', () => back.finished.length === 8);
      const ports = (all: (number | undefined)[]) => [...all].sort();
      assert.equal(
        ports(back.finished.map(ctx => ctx.clientPort)),
        ports(clients.map(({ socket }) => socket.localPort)),
      );
      for (const client of clients) client.close();
    },
    { settings: { limits: { upstreamConnections: 1 } } },
  ));

test('all streams of an HTTP/2 client have its address', () =>
  between(
    {},
    async ({ front, back }) => {
      const session = connectH2(`http://127.0.0.1:${front.port}`);
      session.on('error', () => {});
      const statuses: unknown[] = [];
      for (let n = 0; n < 10; n++) {
        const stream = session.request({ ':path': '/' });
        stream.on('response', headers => statuses.push(headers[':status']));
        stream.resume();
      }
      await until('all are over', () => back.finished.length === 10);
      const port = session.socket?.localPort;
      assert.equal(
        back.finished.map(ctx => ctx.clientPort),
        Array(10).fill(port),
      );
      await until('all are answered', () => statuses.length === 10);
      session.destroy();
    },
    { http2: true },
  ));

test('the client of a PROXY header in front is passed on, with the name that it asked for', () =>
  between(
    {},
    async ({ front, back }) => {
      const client = await RawClient.open(front.port);
      client.send(lineV1({ from: '2001:db8::9', to: '2001:db8::1' }) + get);
      assert.is(statusOf(await client.response()), 200);
      await until('it is over', () => back.finished.length === 1);
      const [ctx] = back.finished;
      assert.equal([ctx?.clientIp, ctx?.clientPort, ctx?.localPort], ['2001:db8::9', 4711, 443]);
      client.close();
    },
    { proxyProtocol: { trusted: ['127.0.0.1'] } },
  ));

test('the server name of a TLS client is in version 2', () =>
  between(
    {},
    async ({ front, back }) => {
      const client = connectTls({ port: front.port, servername: 'shop.test', rejectUnauthorized: false });
      await once(client, 'secureConnect');
      client.write(get);
      await until('it is over', () => back.finished.length === 1);
      assert.is(back.finished[0]?.request.proxy?.authority, 'shop.test');
      client.destroy();
    },
    { tls },
  ));

test('a client of a unix socket is sent without an address', async () => {
  const folder = socketFolder();
  const path = join(folder, 'http.sock');
  try {
    for (const version of ['v1', 'v2'] as const) {
      await between(
        { version },
        async ({ back }) => {
          assert.is((await askUnix(path)).status, 200);
          await until('it is over', () => back.finished.length === 1);
          assert.equal(
            [back.finished[0]?.clientIp, back.finished[0]?.request.proxy],
            ['127.0.0.1', undefined],
          );
        },
        { path },
      );
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('headers begin and end with the setting, also for kept connections', () =>
  between({}, async ({ front, back, over }) => {
    const [upstream] = front.pools.default;
    assert.ok(upstream);
    const client = await RawClient.open(front.port);
    client.send(get);
    await client.responses('GET');
    // Without a header the server refuses.
    front.pools.default.set({ ...upstream.record, proxyProtocol: undefined });
    client.send(get);
    const [, second] = await client.responses('GET', 'GET');
    assert.is(second && statusOf(second), 502);
    front.pools.default.set({ ...upstream.record, proxyProtocol: 'v1' });
    client.send(get);
    const [, , third] = await client.responses('GET', 'GET', 'GET');
    assert.is(third && statusOf(third), 200);
    await until('both are over', () => back.finished.length === 2);
    assert.equal(
      back.finished.map(ctx => ctx.request.proxy?.version),
      [2, 1],
    );
    assert.ok(over.some(({ refused }) => refused === 'proxyProtocol'));
    client.close();
  }));

test('an upgraded connection begins with a header', async () => {
  let came = '';
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.on('data', bytes => {
      came += bytes;
      if (came.endsWith('\r\n\r\n'))
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      if (came.endsWith('ping')) socket.end('pong');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const front = await startProxy({ upstreams: [{ url: `http://127.0.0.1:${port}`, proxyProtocol: 'v1' }] });
  try {
    const client = await RawClient.open(front.port);
    client.send(get.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'));
    await client.until('the change', () => client.text.startsWith('HTTP/1.1 101'));
    client.send('ping');
    await client.until('the echo', () => client.text.endsWith('pong'));
    const own = client.socket.localPort;
    assert.ok(
      came.startsWith(`PROXY TCP4 127.0.0.1 127.0.0.1 ${own} ${front.port}\r\nGET / HTTP/1.1\r\n`),
      came,
    );
    client.close();
  } finally {
    front.close();
    server.close();
  }
});

test('a missing listener or an unknown name fails the connection, as it does without headers', async () => {
  const front = await startProxy();
  try {
    for (const url of [
      `http://127.0.0.1:${await freePort()}`,
      `https://127.0.0.1:${await freePort()}`,
      'https://nobody.invalid',
    ]) {
      const record = upstreamRecord({ url, proxyProtocol: 'v2' });
      front.pools.default.set(record);
      const client = await RawClient.open(front.port);
      client.send(get);
      assert.is(statusOf(await client.response()), 502);
      assert.is(front.finished.at(-1)?.error?.code, 'CONNECT_FAILED');
      front.pools.default.delete(record.id);
      client.close();
    }
  } finally {
    front.close();
  }
});
