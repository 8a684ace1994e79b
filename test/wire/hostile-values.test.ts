// Plugins' values that misbehave when the core last uses them, in the log or in a reply. Over real
// sockets, the request ends and the next one on its connection is served.
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('hostile values from plugins');
const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

const boom = (): never => {
  throw new Error('boom');
};

/** A proxy with these taps, in front of an origin or of `upstream`. */
async function withTaps(
  tap: (hooks: RequestHooks) => void,
  use: (client: RawClient, proxy: TestProxy) => Promise<void>,
  upstream?: string,
): Promise<void> {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [upstream ?? origin.url], tap });
  const client = await RawClient.open(proxy.port);
  try {
    await use(client, proxy);
    assert.is(proxy.pools.default.available[0]?.inFlight, 0);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

test('a reply whose body later lies about its length is sent completely', async () => {
  const made = reply(200, new Uint8Array([0x61, 0x62, 0x63]));
  Object.defineProperty(made.body, 'length', { value: 1e9 });
  await withTaps(
    hooks => hooks.request.tap('liar', () => made),
    async client => {
      client.send(get + get);
      const both = await client.responses('GET', 'GET');
      assert.equal(
        both.map(({ body }) => body),
        ['abc', 'abc'],
      );
    },
  );
});

test("an upstream's failure is logged even if a plugin spoiled its cause", async () => {
  const port = await freePort();
  await withTaps(
    hooks =>
      hooks.judge.tap('spoiler', ({ error }) => {
        if (error?.cause instanceof Error) Object.defineProperty(error.cause, 'message', { get: boom });
        return undefined;
      }),
    async (client, proxy) => {
      client.send(get + get);
      const both = await client.responses('GET', 'GET');
      assert.equal(both.map(statusOf), [502, 502]);
      const lines = proxy.log.filter(({ code }) => code === 'CONNECT_FAILED');
      assert.equal(
        lines.map(({ level }) => level),
        ['debug', 'warn', 'debug', 'warn'],
      );
    },
    `http://127.0.0.1:${port}`,
  );
});

test('an async function in tapAsync that rejects fails only its request', async () => {
  let broken = true;
  await withTaps(
    hooks =>
      hooks.request.tapAsync('mixed', async (_ctx, done) => {
        if (broken) boom();
        done();
      }),
    async (client, proxy) => {
      client.send(get);
      assert.is(statusOf(await client.response()), 500);
      const line = proxy.log.find(({ level }) => level === 'error');
      assert.equal([line?.['plugin'], line?.['stage']], ['mixed', 'request']);
      broken = false;
      client.send(get);
      const [, second] = await client.responses('GET', 'GET');
      assert.is(second && statusOf(second), 200);
    },
  );
});

test('an error whose message is not a string is logged with plugin and stage', async () => {
  await withTaps(
    hooks =>
      hooks.preProxy.tap('odd', () => {
        throw Object.assign(new Error(), { message: { toString: boom } });
      }),
    async (client, proxy) => {
      client.send(get + get);
      const both = await client.responses('GET', 'GET');
      assert.equal(both.map(statusOf), [500, 500]);
      for (const line of proxy.log.filter(({ level }) => level === 'error')) {
        assert.equal([line['plugin'], line['stage']], ['odd', 'preProxy']);
      }
      assert.is(proxy.log.filter(({ level }) => level === 'error').length, 2);
    },
  );
});
