// A request that ends while a stage is still running: the late result reaches no other request, and its client's
// connection stays open.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { ProxyContext } from '../../core/request/context.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echoed, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('pending stages');
const request = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const stages = ['selectUpstream', 'preProxy', 'postProxy'] as const;

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
  /** Requests to `/slow` that a plugin holds. */
  held(): number;
  /** Lets the plugin answer the held requests. */
  go(): void;
}

/** A proxy with a plugin that holds requests to `/slow` in a stage. */
async function withGate(
  stage: (typeof stages)[number],
  options: Pick<ProxyOptions, 'settings'> & { script?: Script },
  use: (ends: Ends) => Promise<void>,
): Promise<void> {
  const waiting: (() => void)[] = [];
  let held = 0;
  const hold = (ctx: ProxyContext): Promise<undefined> =>
    ctx.request.target === '/slow'
      ? new Promise(resolve => {
          held++;
          waiting.push(() => resolve(undefined));
        })
      : Promise.resolve(undefined);
  const origin = await ScriptedOrigin.start(options.script ?? {});
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: options.settings ?? {},
    tap: hooks => hooks[stage].tapPromise('gate', hold),
  });
  const client = await RawClient.open(proxy.port);
  const go = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  try {
    await use({ client, origin, proxy, held: () => held, go });
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

for (const stage of stages) {
  test(`the connection stays open after a ${stage} that took too long, and its late result changes nothing`, async () => {
    await withGate(
      stage,
      { settings: { timeouts: { stage: '60ms' } } },
      async ({ client, origin, proxy, go }) => {
        client.send(request('/slow') + request('/second'));
        const [first, second] = await client.responses('GET', 'GET');
        assert.is(first && statusOf(first), 500);
        assert.equal(first && valuesOf(first, 'connection'), []);
        assert.is(second?.body, echoed('GET /second HTTP/1.1'));
        client.send(request('/slow'));
        await client.responses('GET', 'GET', 'GET');
        client.send(request('/third'));
        go();
        const [, , , fourth] = await client.responses('GET', 'GET', 'GET', 'GET');
        assert.is(fourth?.body, echoed('GET /third HTTP/1.1'));
        assert.equal(
          proxy.finished.map(ctx => [ctx.request.target, ctx.status, ctx.error?.code]),
          [
            ['/slow', 500, 'PLUGIN_FAILED'],
            ['/second', 200, undefined],
            ['/slow', 500, 'PLUGIN_FAILED'],
            ['/third', 200, undefined],
          ],
        );
        assert.is(proxy.pools.default.available[0]?.inFlight, 0);
        const served = origin.requests.map(({ target }) => target).filter(target => target !== '/slow');
        assert.equal(served, ['/second', '/third']);
      },
    );
  });
}

test('a late result does not reach a request on another connection', async () => {
  await withGate('selectUpstream', {}, async ({ client, proxy, held, go }) => {
    client.send(request('/slow'));
    await until('the plugin', () => held() === 1);
    client.reset();
    await until('the end of the request', () => proxy.finished.length === 1);
    const other = await RawClient.open(proxy.port);
    other.send(request('/slow'));
    await until('the plugin again', () => held() === 2);
    go();
    assert.is((await other.response()).body, echoed('GET /slow HTTP/1.1'));
    assert.is(proxy.finished.length, 2);
    other.close();
  });
});

test('the connection ends if a stage took too long and the body was not read', async () => {
  const options = { settings: { timeouts: { stage: '60ms' } } };
  await withGate('preProxy', options, async ({ client }) => {
    client.send('POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nabc');
    const response = await client.response('POST');
    assert.is(statusOf(response), 500);
    assert.equal(valuesOf(response, 'connection'), ['close']);
    await client.untilEnd();
  });
});

test('a complete response reaches the client even if its upstream closed during a stage', async () => {
  for (const [how, head, rest] of [
    ['with its length', 'Content-Length: 5', 'whole'],
    ['in chunks', 'Transfer-Encoding: chunked', '5\r\nwhole\r\n0\r\n\r\n'],
  ]) {
    let early = true;
    const script: Script = {
      onBytes: connection => {
        if (early) connection.send(`HTTP/1.1 413 Content Too Large\r\n${head}\r\n\r\n`);
        early = false;
      },
    };
    await withGate('postProxy', { script }, async ({ client, origin, held, go }) => {
      client.send('POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nabc');
      await until('the plugin', () => held() === 1);
      const { socket } = origin.connections[0] ?? {};
      socket?.pause();
      client.send('x'.repeat(1000));
      await sleep(20);
      socket?.write(rest ?? '', () => socket.destroy());
      for (let n = 0; n < 20; n++) {
        client.send('x'.repeat(100));
        await sleep(2);
      }
      go();
      const response = await client.response('POST');
      assert.equal([statusOf(response), response.body], [413, 'whole'], how);
    });
  }
});

test('a response that breaks during a stage results in 502', async () => {
  let early = true;
  const script: Script = {
    onBytes: connection => {
      if (early) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n');
      early = false;
    },
  };
  await withGate('postProxy', { script }, async ({ client, origin, proxy, held, go }) => {
    client.send('POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nabc');
    await until('the plugin', () => held() === 1);
    origin.connections[0]?.cut();
    // A connection that is not read notices a break only when it is written to.
    const more = setInterval(() => client.send('x'.repeat(100)), 5);
    const response = await client.response('POST');
    clearInterval(more);
    go();
    assert.is(statusOf(response), 502);
    assert.equal(
      proxy.finished.map(ctx => [ctx.status, ctx.error?.code]),
      [[502, 'BODY_CUT']],
    );
  });
});
