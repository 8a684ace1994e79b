// Configured limits: exceeding one gets its own status, and affects no other client.
import * as assert from 'uvu/assert';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('limits');
const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

async function withLimits(
  limits: SettingsInput['limits'],
  use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>,
  script: Script = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: limits === undefined ? {} : { limits },
  });
  try {
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

async function ask(proxy: TestProxy, request: string, method = 'GET'): Promise<Message> {
  const client = await RawClient.open(proxy.port);
  client.send(request);
  const response = await client.response(method);
  client.close();
  return response;
}

test('a request line over the limit gets 414; one at the limit does not', async () => {
  await withLimits({ requestLine: 100 }, async proxy => {
    assert.is(statusOf(await ask(proxy, get(`/${'a'.repeat(90)}`))), 200);
    assert.is(statusOf(await ask(proxy, get(`/${'a'.repeat(120)}`))), 414);
  });
});

test('a header section over the limit gets 431', async () => {
  await withLimits({ headers: 1_000 }, async proxy => {
    const withField = (length: number) =>
      `GET / HTTP/1.1\r\nHost: a.test\r\nX: ${'y'.repeat(length)}\r\n\r\n`;
    assert.is(statusOf(await ask(proxy, withField(900))), 200);
    assert.is(statusOf(await ask(proxy, withField(1_000))), 431);
    assert.is(statusOf(await ask(proxy, withField(100_000))), 431);
  });
});

test('any number of fields over the limit gets 431', async () => {
  await withLimits({ headerCount: 10 }, async proxy => {
    const withFields = (count: number) => `GET / HTTP/1.1\r\nHost: a.test\r\n${'X: y\r\n'.repeat(count)}\r\n`;
    assert.is(statusOf(await ask(proxy, withFields(9))), 200);
    assert.is(statusOf(await ask(proxy, withFields(10))), 431);
    assert.is(statusOf(await ask(proxy, withFields(5_000))), 431);
  });
});

test('a body over the limit gets 413 before it is read, with a length and in chunks', async () => {
  await withLimits({ body: 100 }, async (proxy, origin) => {
    const long = (length: number) =>
      `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
    assert.is(statusOf(await ask(proxy, long(100), 'POST')), 200);
    assert.is(origin.requests.length, 1);
    assert.is(statusOf(await ask(proxy, long(101), 'POST')), 413);
    const chunks = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.is(
      statusOf(await ask(proxy, `${chunks}${'1\r\nx\r\n'.repeat(100)}0\r\n\r\n`, 'POST')),
      200,
      '100 chunks of 1',
    );
    assert.is(origin.requests.length, 2);
    assert.is(statusOf(await ask(proxy, `${chunks}${'1\r\nx\r\n'.repeat(101)}0\r\n\r\n`, 'POST')), 413);
    assert.is(statusOf(await ask(proxy, `${chunks}fffffffff\r\n`, 'POST')), 413, 'a chunk that is announced');
    assert.is(origin.requests.length, 2);
  });
});

test('a body over the limit of its request gets 413: with a length before anything is sent, in chunks as it arrives', async () => {
  const origin = await ScriptedOrigin.start({});
  const proxy = await startProxy({
    upstreams: [origin.url],
    tap: ({ route }) =>
      route.tap('limit', ctx => {
        ctx.bodyLimit = 100;
        return undefined;
      }),
  });
  try {
    const long = (length: number) =>
      `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`;
    assert.is(statusOf(await ask(proxy, long(100), 'POST')), 200);
    assert.is(statusOf(await ask(proxy, long(101), 'POST')), 413);
    assert.is(origin.requests.length, 1);
    const chunks = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n';
    const inChunks = (count: number) => `${chunks}${'1\r\nx\r\n'.repeat(count)}0\r\n\r\n`;
    assert.is(statusOf(await ask(proxy, inChunks(100), 'POST')), 200);
    assert.is(origin.requests.length, 2);
    assert.is(statusOf(await ask(proxy, inChunks(101), 'POST')), 413);
    assert.is(statusOf(await ask(proxy, `${chunks}65\r\n${'x'.repeat(101)}`, 'POST')), 413);
    assert.is(origin.requests.length, 2, 'the origin has no further complete request');
    await until('the end of all', () => proxy.listener.activeRequests === 0);
  } finally {
    proxy.close();
    await origin.close();
  }
});

test('connections over the limit get 503 and are closed, and new ones are served once others are gone', async () => {
  await withLimits({ connections: 3 }, async proxy => {
    const held = await Promise.all([1, 2, 3].map(() => RawClient.open(proxy.port)));
    await until('three connections', () => proxy.listener.connections === 3);
    const more = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(proxy.port)));
    for (const client of more) client.send(get());
    for (const client of more) {
      const response = await client.response();
      assert.is(statusOf(response), 503);
      assert.equal(valuesOf(response, 'retry-after'), ['5']);
      await client.untilEnd();
    }
    assert.is(proxy.listener.connections, 3);
    for (const client of held) client.close();
    await until('room again', () => proxy.listener.connections === 0);
    assert.is(statusOf(await ask(proxy, get())), 200);
    for (const client of more) client.close();
  });
});

test('connections of one address over its limit get 503; those of others do not', async () => {
  await withLimits({ connectionsPerAddress: 2 }, async proxy => {
    const held = await Promise.all([1, 2].map(() => RawClient.open(proxy.port)));
    await until('two connections', () => proxy.listener.connections === 2);
    assert.is(statusOf(await ask(proxy, get())), 503);
    const other = await RawClient.open(proxy.port, '127.0.0.1', '127.0.0.2');
    other.send(get());
    assert.is(statusOf(await other.response()), 200);
    other.close();
    held[0]?.close();
    await until('room again', () => proxy.listener.connections < 2);
    assert.is(statusOf(await ask(proxy, get())), 200);
    for (const client of held) client.close();
  });
});

test("requests queue for an upstream's connections, and are served in order", async () => {
  const script: Script = {
    answer(request) {
      setTimeout(() => request.connection.send(echo(request)), 5);
      return undefined;
    },
  };
  await withLimits(
    { upstreamConnections: 2 },
    async (proxy, origin) => {
      const paths = Array.from({ length: 20 }, (_, n) => `/${n}`);
      const bodies = await Promise.all(paths.map(async path => (await ask(proxy, get(path))).body));
      assert.equal(
        bodies,
        paths.map(path => `[GET ${path} HTTP/1.1|]`),
      );
      assert.ok(origin.connections.length <= 2, `${origin.connections.length} connections`);
    },
    script,
  );
});

test('a request that waits too long for a connection gets 503', async () => {
  const limits = { upstreamConnections: 1, upstreamQueueTimeout: '80ms' };
  await withLimits(
    limits,
    async (proxy, origin) => {
      const first = await RawClient.open(proxy.port);
      first.send(get('/first'));
      await until('the first request', () => origin.requests.length === 1);
      const response = await ask(proxy, get('/second'));
      assert.is(statusOf(response), 503);
      assert.is(proxy.finished[0]?.error?.code, 'QUEUE_TIMEOUT');
      origin.requests[0]?.connection.send(ok('done'));
      assert.is((await first.response()).body, 'done');
      assert.is(origin.requests.length, 1);
      first.close();
    },
    { answer: () => undefined },
  );
});

test('a request that finds the queue full gets 503 at once', async () => {
  const limits = { upstreamConnections: 1, upstreamQueue: 1 };
  await withLimits(
    limits,
    async (proxy, origin) => {
      const [first, second] = await Promise.all([RawClient.open(proxy.port), RawClient.open(proxy.port)]);
      first.send(get('/first'));
      await until('the first request', () => origin.requests.length === 1);
      second.send(get('/second'));
      await until('the second to wait', () => proxy.listener.activeRequests === 2);
      assert.is(statusOf(await ask(proxy, get('/third'))), 503);
      assert.is(proxy.finished[0]?.error?.code, 'UPSTREAM_BUSY');
      first.close();
      second.close();
    },
    { answer: () => undefined },
  );
});

test('a client that leaves the queue does not take a connection', async () => {
  await withLimits(
    { upstreamConnections: 1 },
    async (proxy, origin) => {
      const [first, second, third] = await Promise.all([1, 2, 3].map(() => RawClient.open(proxy.port)));
      first?.send(get('/first'));
      await until('the first request', () => origin.requests.length === 1);
      second?.send(get('/second'));
      await until('the second to wait', () => proxy.listener.activeRequests === 2);
      third?.send(get('/third'));
      await until('the third to wait', () => proxy.listener.activeRequests === 3);
      second?.reset();
      await until('the second to be over', () => proxy.finished.length === 1);
      origin.requests[0]?.connection.send(ok('1'));
      await until('the third request', () => origin.requests.length === 2);
      assert.is(origin.requests[1]?.target, '/third');
      first?.close();
      third?.close();
    },
    { answer: () => undefined },
  );
});

test('the queue advances when a connection fails', async () => {
  await withLimits(
    { upstreamConnections: 1 },
    async (proxy, origin) => {
      const [first, second] = await Promise.all([1, 2].map(() => RawClient.open(proxy.port)));
      first?.send(get('/first'));
      await until('the first request', () => origin.requests.length === 1);
      second?.send(get('/second'));
      await until('the second to wait', () => proxy.listener.activeRequests === 2);
      origin.requests[0]?.connection.cut();
      await until('the second request', () => origin.requests.length === 2);
      const refused = await first?.response();
      assert.is(refused && statusOf(refused), 502);
      first?.close();
      second?.close();
    },
    { answer: () => undefined },
  );
});
