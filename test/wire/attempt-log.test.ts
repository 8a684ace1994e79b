// What is logged about attempts that a retry or a plugin's reply hides from the client.
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('attempts in the log');

const get = 'GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n';
const unavailable = 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n';

async function linesOf(upstreams: readonly string[], tap: (hooks: RequestHooks) => void) {
  const proxy = await startProxy({ upstreams, tap });
  const client = await RawClient.open(proxy.port);
  try {
    client.send(get);
    const status = statusOf(await client.response());
    return { status, lines: proxy.log.filter(({ msg }) => msg.startsWith('attempt ')) };
  } finally {
    client.close();
    proxy.close();
  }
}

test('a failed attempt that is retried is logged at debug, with server, number and reason', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => ok('fine') });
  const dead = `http://127.0.0.1:${await freePort()}`;
  const { status, lines } = await linesOf([dead, origin.url], hooks =>
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry)),
  );
  await origin.close();
  assert.is(status, 200);
  assert.is(lines.length, 1);
  const [line] = lines;
  assert.equal(
    [line?.level, line?.['attempt'], line?.['upstream'], line?.['code'], line?.['method'], line?.['target']],
    ['debug', 1, dead, 'CONNECT_FAILED', 'GET', '/a'],
  );
  assert.match(
    line?.msg ?? '',
    `attempt 1 on ${dead} failed: cannot connect to ${dead}: connect ECONNREFUSED`,
  );
});

test('a response that is dropped for another attempt is logged at debug', async () => {
  const busy = await ScriptedOrigin.start({ answer: () => unavailable });
  const origin = await ScriptedOrigin.start({ answer: () => ok('fine') });
  const { status, lines } = await linesOf([busy.url, origin.url], hooks =>
    hooks.judge.tap('again', ctx => (ctx.status === 503 ? retry : undefined)),
  );
  await busy.close();
  await origin.close();
  assert.is(status, 200);
  assert.equal(
    lines.map(({ level, msg }) => [level, msg]),
    [['debug', `attempt 1 on ${busy.url} got status 503, trying again`]],
  );
});

test('a failed attempt that a plugin replies to is logged at debug', async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  const { status, lines } = await linesOf([dead], hooks =>
    hooks.postProxy.tap('sorry', ctx => (ctx.error === undefined ? undefined : reply(200, 'later'))),
  );
  assert.is(status, 200);
  assert.is(lines.length, 1);
});
