// Slow uploads do not hold upstream connections that other requests need.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echoed, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('slow uploads');

const connections = 6;

async function withOrigin(use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>): Promise<void> {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: { limits: { upstreamConnections: connections, upstreamQueueTimeout: '250ms' } },
  });
  try {
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

/** Opens many uploads that send their head, `begin`, then a byte now and then. */
async function drip(proxy: TestProxy, head: string, begin: string, count = 40) {
  const clients: RawClient[] = [];
  for (let n = 0; n < count; n++) clients.push(await RawClient.open(proxy.port));
  for (const client of clients) client.send(`${head}\r\n\r\n${begin}`);
  const timer = setInterval(() => {
    for (const client of clients) client.send(head.includes('chunked') ? '1\r\nx\r\n' : 'x');
  }, 50);
  return {
    stop(): void {
      clearInterval(timer);
      for (const client of clients) client.close();
    },
  };
}

async function ask(proxy: TestProxy, request: string): Promise<number> {
  const client = await RawClient.open(proxy.port);
  try {
    client.send(request);
    return statusOf(await client.response('GET'));
  } finally {
    client.close();
  }
}

const long = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000';
const inChunks = 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked';
const expecting = `${long}\r\nExpect: 100-continue`;
const start = 'x'.repeat(20_000);

for (const [name, head, begin] of [
  ['with little sent so far', long, ''],
  ['in chunks with little sent so far', inChunks, ''],
  ['that stall after 16 KB', long, start],
  ['in chunks that stall after 16 KB', inChunks, `${start.length.toString(16)}\r\n${start}\r\n`],
  ['that wait for 100 and then send little', expecting, ''],
] as const) {
  test(`many uploads ${name} leave connections to others`, async () => {
    await withOrigin(async proxy => {
      const slow = await drip(proxy, head, begin);
      try {
        for (let n = 0; n < 20; n++) {
          assert.is(await ask(proxy, 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n'), 200);
          const upload = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello';
          assert.is(await ask(proxy, upload), 200);
          await sleep(20);
        }
      } finally {
        slow.stop();
      }
    });
  });
}

test('slow uploads continue while connections are free, and give way with 408 to a waiting request', async () => {
  await withOrigin(async (proxy, origin) => {
    const most = connections - 2;
    const slow = await drip(proxy, long, start, most);
    const client = await RawClient.open(proxy.port);
    try {
      await until('all of them to be connected', () => origin.connections.length === most);
      await sleep(1_200);
      assert.is(proxy.finished.length, 0);
      client.send(`${long}\r\n\r\n${start}`);
      await until('one to give way', () => proxy.finished.length > 0);
      assert.is(proxy.finished[0]?.status, 408);
      assert.match(proxy.finished[0]?.error?.message ?? '', 'while others waited');
      await until('the other to be connected', () => origin.connections.length > most);
    } finally {
      client.close();
      slow.stop();
    }
  });
});

test('a slow upload that had to wait for its connection arrives complete', async () => {
  await withOrigin(async (proxy, origin) => {
    const slow = await drip(proxy, long, '', connections);
    const client = await RawClient.open(proxy.port);
    const other = await RawClient.open(proxy.port);
    try {
      const scarce = (): boolean => origin.connections.length >= connections / 2;
      await until('connections to be scarce', scarce);
      client.send('POST /late HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n');
      other.send('POST /late HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n');
      const connected = origin.connections.length;
      for (const piece of ['01234', '56789']) {
        await sleep(50);
        assert.is(origin.connections.length, connected);
        client.send(piece);
        other.send(`5\r\n${piece}\r\n`);
      }
      assert.is((await client.response('POST')).body, echoed('POST /late HTTP/1.1', '0123456789'));
      other.send('0\r\n\r\n');
      assert.is((await other.response('POST')).body, echoed('POST /late HTTP/1.1', '0123456789'));
    } finally {
      slow.stop();
      client.close();
      other.close();
    }
  });
});
