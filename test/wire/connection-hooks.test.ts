// The hooks for connections and refusals: everything that is refused can be counted and logged.
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import type { ConnectionInfo } from '../../core/stages/connection-info.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('connections and refusals');
const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

test('a plugin refuses a connection, which is closed silently', async () => {
  const finished: ConnectionInfo[] = [];
  const proxy = await startProxy({
    tap(hooks) {
      hooks.connection.tap('gate', ({ remoteAddress }) =>
        remoteAddress === '127.0.0.1' ? 'refuse' : undefined,
      );
      hooks.connectionFinished.tap('count', info => void finished.push(info));
    },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get);
  await client.untilEnd();
  assert.is(client.text, '');
  await until('the end', () => finished.length === 1);
  assert.equal([finished[0]?.refused, finished[0]?.localPort], ['plugin', proxy.port]);
  proxy.close();
});

test('a plugin that fails in the connection hook refuses the connection', async () => {
  const proxy = await startProxy({
    tap: hooks =>
      hooks.connection.tap('broken', () => {
        throw new Error('no luck');
      }),
  });
  const client = await RawClient.open(proxy.port);
  client.send(get);
  await client.untilEnd();
  assert.is(client.text, '');
  proxy.close();
});

test('connectionFinished is called for a connection over a limit, and for a served one when it has ended', async () => {
  const finished: ConnectionInfo[] = [];
  const proxy = await startProxy({
    settings: { limits: { connections: 1 } },
    tap: hooks => hooks.connectionFinished.tap('count', info => void finished.push(info)),
  });
  const first = await RawClient.open(proxy.port);
  await until('the first', () => proxy.listener.connections === 1);
  const second = await RawClient.open(proxy.port);
  await second.untilEnd();
  assert.equal(
    finished.map(({ refused }) => refused),
    ['limit'],
  );
  first.close();
  await until('the end of the first', () => finished.length === 2);
  assert.is(finished[1]?.refused, undefined);
  proxy.close();
});

/** Every kind of response that Weldr makes itself, and its status. */
const refusals: [what: string, request: string, status: number][] = [
  ['a malformed head', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n', 405],
  ['CONNECT', 'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n', 405],
  ['an unknown expectation', 'GET / HTTP/1.1\r\nHost: a.test\r\nExpect: x\r\n\r\n', 417],
  ['an unknown version', 'GET / HTTP/2.0\r\nHost: a.test\r\n\r\n', 505],
  [
    'an unsupported coding',
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    501,
  ],
  ['a body over the limit', 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 99999\r\n\r\n', 413],
  ['a malformed chunk', 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ['a long target', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a.test\r\n\r\n`, 414],
  ['many fields', `GET / HTTP/1.1\r\nHost: a.test\r\n${'a: b\r\n'.repeat(300)}\r\n`, 431],
  ['a loop', `GET / HTTP/1.1\r\nHost: a.test\r\nVia: ${Array(8).fill('1.1 weldr').join(', ')}\r\n\r\n`, 508],
  ['no upstream', get, 503],
  ['a reply of a plugin', 'GET /reply HTTP/1.1\r\nHost: a.test\r\n\r\n', 418],
  ['Max-Forwards: 0', 'OPTIONS / HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n', 200],
];

for (const [what, request, status] of refusals) {
  test(`${what}: respond sees the ${status}, and finished runs once`, async () => {
    const origin = await ScriptedOrigin.start({});
    const proxy = await startWithHeader(what === 'no upstream' ? undefined : origin.url);
    const client = await RawClient.open(proxy.port);
    client.send(request);
    const response = await client.response();
    assert.is(statusOf(response), status);
    assert.equal(valuesOf(response, 'x-frame-options'), ['DENY']);
    assert.is(valuesOf(response, 'date').length, 1);
    await until('the end', () => proxy.finished.length === 1);
    assert.is(proxy.finished[0]?.status, status);
    client.close();
    proxy.close();
    await origin.close();
  });
}

test('a failed upstream: the 502 has the field that respond sets', async () => {
  const origin = await ScriptedOrigin.start({
    answer: seen => {
      seen.connection.cut();
      return undefined;
    },
  });
  const proxy = await startWithHeader(origin.url);
  const client = await RawClient.open(proxy.port);
  client.send(get);
  const response = await client.response();
  assert.equal([statusOf(response), valuesOf(response, 'x-frame-options')], [502, ['DENY']]);
  client.close();
  proxy.close();
  await origin.close();
});

/** A proxy that sets a field, and its own Date, on every response. */
async function startWithHeader(upstream?: string): Promise<TestProxy> {
  return await startProxy({
    upstreams: upstream === undefined ? [] : [upstream],
    settings: { limits: { body: 1000 } },
    tap(hooks) {
      hooks.request.tap('tea', ctx => (ctx.request.target === '/reply' ? reply(418) : undefined));
      hooks.respond.tap('fields', ctx => {
        ctx.response?.headers.set('X-Frame-Options', 'DENY');
        ctx.response?.headers.append('Date', 'Thu, 01 Jan 2026 00:00:00 GMT');
      });
    },
  });
}
