// Waits are bounded: slow clients, slow upstreams, and the response to each.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { descriptorLimit } from '../../core/http/accept/descriptor-limit.ts';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echoed, ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('timeouts', { ownProcess: true });
const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
}

async function withTimeouts(
  timeouts: SettingsInput['timeouts'],
  script: Script,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: timeouts === undefined ? {} : { timeouts },
    ...options,
  });
  const client = await RawClient.open(proxy.port);
  try {
    await use({ client, origin, proxy });
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

test('a head that does not end in time gets 408', async () => {
  await withTimeouts({ header: '100ms' }, {}, async ({ client, origin }) => {
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\n');
    const response = await client.response();
    assert.is(statusOf(response), 408);
    await client.untilEnd();
    assert.is(origin.connections.length, 0);
  });
});

test('a head that drips gets no extra time (CVE-2018-12122)', async () => {
  await withTimeouts({ header: '200ms' }, {}, async ({ client }) => {
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\n');
    for (let n = 0; n < 100 && !client.ended && client.text === ''; n++) {
      client.send(`X-${n}: y\r\n`);
      await sleep(20);
    }
    assert.is(statusOf(await client.response()), 408);
  });
});

test('a second request that drips gets 408 too (CVE-2019-5737)', async () => {
  await withTimeouts({ header: '150ms' }, {}, async ({ client }) => {
    client.send(`${get}G`);
    const [first, second] = await client.responses('GET', 'GET');
    assert.is(first && statusOf(first), 200);
    assert.is(second && statusOf(second), 408);
  });
});

test('a connection without a request is closed silently', async () => {
  await withTimeouts({ header: '100ms' }, {}, async ({ client }) => {
    assert.is(await client.untilEnd(), '');
    assert.is(client.failure, '');
  });
});

test('an idle connection is closed after its timeout', async () => {
  await withTimeouts({ idle: '100ms' }, {}, async ({ client }) => {
    client.send(get);
    await client.response();
    await client.untilEnd();
    assert.is(client.failure, '');
  });
});

test('a body that stalls gets 408, and its upstream request is cancelled (CVE-2020-8251)', async () => {
  await withTimeouts({ body: '150ms' }, {}, async ({ client, origin, proxy }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc');
    assert.is(statusOf(await client.response('POST')), 408);
    await client.untilEnd();
    await until('the upstream request to be cancelled', () => origin.connections[0]?.gone === true);
    assert.is(proxy.finished[0]?.error?.blame, 'client');
  });
});

test('a body below the minimum rate gets 408; one above it does not', async () => {
  const settings: SettingsInput = { timeouts: { body: '200ms' }, limits: { bodyRate: '500b' } };
  const post = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 400\r\n\r\n';
  await withTimeouts(
    undefined,
    {},
    async ({ client, proxy }) => {
      client.send(post);
      for (let n = 0; n < 400 && !client.ended && client.text === ''; n++) {
        client.send('x');
        await sleep(10);
      }
      assert.is(statusOf(await client.response('POST')), 408);
      const faster = await RawClient.open(proxy.port);
      await faster.sendPieces([post, ...Array.from({ length: 20 }, () => 'x'.repeat(20))], 15);
      assert.is(statusOf(await faster.response('POST')), 200);
      faster.close();
    },
    { settings },
  );
});

const trickle = async (client: RawClient, bytes: number, pauseMs: number): Promise<void> => {
  client.send(`POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${bytes}\r\n\r\n`);
  for (let n = 0; n < bytes && !client.ended && !/HTTP.1.1 [45]/.test(client.text); n++) {
    await sleep(pauseMs);
    client.send('x');
  }
};

test("a body that makes progress is never too slow for the default settings, and does not use up the upstream's time", async () => {
  await withTimeouts({ body: '2s', response: '100ms' }, {}, async ({ client, origin }) => {
    await trickle(client, 10, 250);
    assert.is(statusOf(await client.response('POST')), 200);
    assert.is(origin.requests[0]?.body, 'x'.repeat(10));
  });
});

test('a body that is still being sent keeps an early response alive', async () => {
  const script: Script = {
    onBytes: (connection, bytes) => {
      if (bytes.includes('POST')) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
    },
    answer: ({ connection }) => {
      connection.send('cde');
      return undefined;
    },
  };
  await withTimeouts({ body: '1s' }, script, async ({ client }) => {
    await trickle(client, 20, 100);
    assert.is((await client.response('POST')).body, 'abcde');
  });
});

test('an upstream that stops reading a body results in 504', async () => {
  await withTimeouts(
    { body: '30s', response: '300ms' },
    { onConnection: ({ socket }) => socket.pause() },
    async ({ client }) => {
      client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 90000000\r\n\r\n');
      client.send(Buffer.alloc(50_000_000, 'x'));
      assert.is(statusOf(await client.response('POST')), 504);
    },
  );
});

test('an upstream that never sends the 100 that a client waits for results in 504', async () => {
  await withTimeouts({ body: '30s', response: '200ms' }, { onBytes: () => {} }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    assert.is(statusOf(await client.response('POST')), 504);
  });
});

test('the time of an upstream that sent 100 begins when the body is complete', async () => {
  const script: Script = {
    onBytes: (connection, bytes) => {
      if (bytes.includes('POST')) connection.send('HTTP/1.1 100 Continue\r\n\r\n');
    },
  };
  await withTimeouts({ body: '30s', response: '200ms' }, script, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    await client.until('the 100', () => client.size > 0);
    await sleep(500);
    client.send('abc');
    await client.until('the response', () => /HTTP\/1.1 [2-5]/.test(client.text));
    assert.match(client.text, 'HTTP/1.1 200 OK');
  });
});

test('an upstream that does not respond results in 504', async () => {
  await withTimeouts(
    { response: '120ms' },
    { answer: () => undefined },
    async ({ client, origin, proxy }) => {
      client.send(`${get}GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      const [response] = await client.responses('GET');
      assert.equal(
        [response && statusOf(response), response?.body],
        [504, '504 the upstream did not answer in time\n'],
      );
      await until('the connection to be closed', () => origin.connections[0]?.gone === true);
      assert.is(proxy.finished[0]?.error?.code, 'RESPONSE_TIMEOUT');
    },
  );
});

test('an upstream whose head drips gets no extra time', async () => {
  await withTimeouts(
    { response: '200ms', body: '10s' },
    { answer: () => undefined },
    async ({ client, origin }) => {
      client.send(get);
      await until('the request', () => origin.requests.length === 1);
      const connection = origin.requests[0]?.connection;
      connection?.send('HTTP/1.1 200 OK\r\n');
      for (let n = 0; n < 100 && client.text === ''; n++) {
        connection?.send('X: y\r\n');
        await sleep(20);
      }
      assert.is(statusOf(await client.response()), 504);
    },
  );
});

test('the timeouts of a pool override those of the config, and those of a request override both', async () => {
  const options: ProxyOptions = {
    tap: hooks =>
      hooks.request.tap('patient', ctx => {
        if (ctx.request.target === '/patient') ctx.timeouts.response = 20_000;
      }),
  };
  const script: Script = { answer: ({ target }) => (target === '/fast' ? ok('fast') : undefined) };
  await withTimeouts(
    { response: '20s' },
    script,
    async ({ client, proxy }) => {
      proxy.pools.default.setSettings({ timeouts: { response: 150 } });
      client.send('GET /patient HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const other = await RawClient.open(proxy.port);
      other.send(get);
      assert.is(statusOf(await other.response()), 504);
      assert.is(client.text, '', 'the one with the longer timeout still waits');
      other.close();
    },
    options,
  );
});

test('a pool has its own limits: if its queue is full, the next request gets 503', async () => {
  await withTimeouts({}, { answer: () => undefined }, async ({ client, origin, proxy }) => {
    proxy.pools.default.setSettings({ limits: { upstreamConnections: 1, upstreamQueue: 0 } });
    client.send(get);
    await until('the first is on its way', () => origin.requests.length === 1);
    const other = await RawClient.open(proxy.port);
    other.send(get);
    assert.is(statusOf(await other.response()), 503);
    other.close();
  });
});

test('an upstream that is slow to respond to a second request on its connection results in 504', async () => {
  const script: Script = { answer: request => (request.target === '/' ? ok('first') : undefined) };
  await withTimeouts({ response: '120ms' }, script, async ({ client }) => {
    client.send(get);
    await client.response();
    client.send('GET /second HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [, second] = await client.responses('GET', 'GET');
    assert.is(second && statusOf(second), 504);
  });
});

test('a response body that stalls is cut, and does not look complete', async () => {
  for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
    const script: Script = { answer: () => `HTTP/1.1 200 OK\r\n${framing}\r\n\r\n3\r\nabc\r\n` };
    await withTimeouts({ body: '120ms' }, script, async ({ client, proxy }) => {
      client.send(get);
      await client.untilEnd();
      const [response] = client.parse(['GET']).final;
      assert.not(response?.complete);
      assert.equal([proxy.finished[0]?.error?.code, proxy.finished[0]?.outcome], ['BODY_TIMEOUT', 'aborted']);
    });
  }
});

test('an upstream that does not accept in time results in 504', async () => {
  const proxy = await startProxy({
    // A documentation address (RFC 5737), which no host has.
    upstreams: ['http://192.0.2.1:81'],
    settings: { timeouts: { connect: '150ms' } },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get);
  const response = await client.response();
  assert.ok([502, 504].includes(statusOf(response)), 'no route, or no answer');
  if (statusOf(response) === 504) assert.is(proxy.finished[0]?.error?.code, 'CONNECT_TIMEOUT');
  client.close();
  proxy.close();
});

test('an upstream that accepts TCP and never speaks TLS results in 504', async () => {
  await withTimeouts(undefined, {}, async ({ origin }) => {
    const proxy = await startProxy({
      upstreams: [origin.url.replace('http:', 'https:')],
      settings: { timeouts: { connect: '150ms' } },
    });
    const client = await RawClient.open(proxy.port);
    client.send(get);
    assert.is(statusOf(await client.response()), 504);
    assert.is(proxy.finished[0]?.error?.code, 'CONNECT_TIMEOUT');
    client.close();
    proxy.close();
  });
});

test('a client that does not read its response is cut after its timeout', async () => {
  const script: Script = {
    answer: () => `HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n${'x'.repeat(50_000_000)}`,
  };
  await withTimeouts({ body: '300ms' }, script, async ({ client, origin, proxy }) => {
    client.send(get);
    await client.until('some of it', () => client.size > 0);
    client.socket.pause();
    await until('the end of the request', () => proxy.finished.length === 1);
    assert.is(proxy.finished[0]?.status === 0 ? 0 : proxy.finished[0]?.error?.code, 'CLIENT_CLOSED');
    await until('the upstream connection to be closed', () => origin.connections[0]?.gone === true);
  });
});

test('a client that sends a body and reads nothing of its response is cut after its timeout', async () => {
  // An origin that echoes everything, so both directions fill up.
  const script: Script = {
    answer: () => undefined,
    onBytes(connection, bytes) {
      if (connection.raw.length === bytes.length)
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n');
      if (!connection.socket.write(bytes)) {
        connection.socket.pause();
        connection.socket.once('drain', () => connection.socket.resume());
      }
    },
  };
  await withTimeouts({ body: '300ms' }, script, async ({ client, proxy }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 90000000\r\n\r\n');
    client.socket.pause();
    client.send(Buffer.alloc(60_000_000, 'x'));
    await until('the end of the request', () => proxy.finished.length === 1);
  });
});

test('a stage that takes too long results in 500 with its plugin in the log, and its late result is ignored', async () => {
  const tap: ProxyOptions['tap'] = hooks =>
    hooks.preProxy.tapPromise('slow', async ctx => {
      if (ctx.request.target === '/') await sleep(200);
      return undefined;
    });
  await withTimeouts(
    { stage: '60ms' },
    {},
    async ({ client, origin, proxy }) => {
      client.send(get);
      assert.is(statusOf(await client.response()), 500);
      client.send('GET /quick HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const [, second] = await client.responses('GET', 'GET');
      assert.is(second?.body, echoed('GET /quick HTTP/1.1'));
      await sleep(200);
      assert.is(origin.requests.length, 1);
      assert.is(proxy.finished.length, 2);
      assert.ok(proxy.log.some(line => line.msg === 'plugin slow in preProxy: took over 60 ms'));
    },
    { tap, settings: { timeouts: { stage: '60ms' } } },
  );
});

test('thousands of dripping connections neither delay others nor take more than 32 KB of memory each', async () => {
  await withTimeouts({ header: '30s' }, {}, async ({ client, proxy }) => {
    const before = process.memoryUsage().rss;
    const drips: RawClient[] = [];
    // Each takes two descriptors, and the proxy keeps some for upstreams.
    const rounds = Math.min(25, Math.floor((descriptorLimit() ?? 20_000) / 800));
    for (let round = 0; round < rounds; round++) {
      const opened = await Promise.all(Array.from({ length: 200 }, () => RawClient.open(proxy.port)));
      drips.push(...opened);
    }
    for (let byte = 0; byte < 3; byte++) for (const drip of drips) drip.send('GET'[byte] ?? '');
    client.send(get);
    assert.is(statusOf(await client.response()), 200);
    // Both ends of each connection are in this process.
    const each = (process.memoryUsage().rss - before) / drips.length;
    assert.ok(each < 32 * 1024, `${Math.round(each)} bytes a connection, both ends`);
    for (const drip of drips) drip.close();
  });
});
