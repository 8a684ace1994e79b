// A server's maxConnections on the wire: it never has more at once, in any protocol, and further requests queue.
import type { ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import * as assert from 'uvu/assert';
import { type UpstreamInput, workerSide } from '../../core/testing.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { H2Origin } from './support/h2-origin.ts';
import { startProxyOf, type TestProxy } from './support/proxy.ts';

const test = suite('maxConnections on the wire');

/** Holds requests until told to answer them. */
class Holding {
  readonly held: (ServerResponse | Http2ServerResponse)[] = [];
  most = 0;
  served = 0;

  readonly hold = (_: unknown, response: ServerResponse | Http2ServerResponse): void => {
    this.held.push(response);
    this.most = Math.max(this.most, this.held.length);
  };

  answerOne(): void {
    this.served++;
    this.held.shift()?.end('done');
  }
}

/** Answers one request at a time until none is left. `most` arrive at first, and never more at once. */
async function serveAll(proxy: TestProxy, origin: Holding, requests: number, most: number): Promise<void> {
  const before = origin.served;
  origin.most = 0;
  const asked = Array.from({ length: requests }, async () => {
    const response = await fetch(`http://127.0.0.1:${proxy.port}/`);
    await response.text();
    return response.status;
  });
  await until('as many requests as allowed', () => origin.held.length === Math.min(most, requests));
  while (origin.served < before + requests) {
    await until('the next request', () => origin.held.length > 0);
    origin.answerOne();
  }
  assert.equal(new Set(await Promise.all(asked)), new Set([200]));
  assert.is(origin.most, Math.min(most, requests));
}

async function withServer(
  server: UpstreamInput,
  use: (proxy: TestProxy, change: (maxConnections: number) => void) => Promise<void>,
): Promise<void> {
  const side = await workerSide([], { upstreams: [server], vantage: {} });
  const proxy = await startProxyOf(side);
  const change = (maxConnections: number): void => {
    for (const { record } of side.pools.default) side.pools.default.set({ ...record, maxConnections });
  };
  try {
    await use(proxy, change);
  } finally {
    proxy.close();
    await side.close();
  }
}

test('bounds HTTP/1.1 connections, and follows a change while requests wait', async () => {
  const holding = new Holding();
  const origin = await startOrigin({ handle: holding.hold });
  await withServer({ url: origin.url, maxConnections: 3 }, async (proxy, change) => {
    await serveAll(proxy, holding, 9, 3);
    assert.is(origin.connections, 3);
    const asked = Array.from({ length: 6 }, () => fetch(`http://127.0.0.1:${proxy.port}/`));
    await until('three', () => holding.held.length === 3);
    change(5);
    await until('five', () => holding.held.length === 5);
    change(1);
    while (holding.served < 15) {
      await until('the next request', () => holding.held.length > 0);
      holding.answerOne();
    }
    for (const response of await Promise.all(asked)) assert.is(response.status, 200);
    await serveAll(proxy, holding, 4, 1);
  });
  await origin.close();
});

for (const [how, tls] of [
  ['without TLS', false],
  ['over TLS', true],
] as const) {
  test(`bounds HTTP/2 requests ${how}, on a connection that would take more`, async () => {
    const holding = new Holding();
    const origin = await H2Origin.start(holding.hold, { tls });
    const url = origin.url.replace('http:', 'h2c:');
    const server = { url, maxConnections: 3, ...(tls && { tls: { verify: false } }) };
    await withServer(server, async (proxy, change) => {
      await serveAll(proxy, holding, 9, 3);
      assert.is(origin.connections, 1);
      change(5);
      await serveAll(proxy, holding, 9, 5);
      change(1);
      await serveAll(proxy, holding, 4, 1);
    });
    await origin.close();
  });
}

test('bounds connections to a server that may speak HTTP/2', async () => {
  const holding = new Holding();
  const origin = await H2Origin.start(holding.hold, { tls: true, offers: 'http/1.1' });
  const server = { url: origin.url, maxConnections: 2, tls: { verify: false } };
  await withServer(server, async proxy => {
    await serveAll(proxy, holding, 7, 2);
    assert.is(origin.connections, 2);
  });
  await origin.close();
});

test("takes precedence over the pool's limit, and requests beyond the queue get 503", async () => {
  const holding = new Holding();
  const origin = await startOrigin({ handle: holding.hold });
  await withServer({ url: origin.url, maxConnections: 2 }, async proxy => {
    for (const pool of proxy.pools)
      pool.setSettings({ limits: { upstreamConnections: 1, upstreamQueue: 1 } });
    const statuses: number[] = [];
    const asked = Array.from({ length: 5 }, async () => {
      statuses.push((await fetch(`http://127.0.0.1:${proxy.port}/`)).status);
    });
    await until('two are refused', () => statuses.length === 2);
    assert.equal([statuses, holding.most], [[503, 503], 2]);
    for (let n = 0; n < 3; n++) {
      await until('the next request', () => holding.held.length > 0);
      holding.answerOne();
    }
    await Promise.all(asked);
    assert.equal(statuses, [503, 503, 200, 200, 200]);
  });
  await origin.close();
});
