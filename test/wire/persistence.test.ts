// Client connections over several requests: pipelining, half-closed clients, and how they end.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('client connections');
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

test('120 KB of pipelined requests are served in order, however reads split them', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url], settings: { timeouts: { header: '2s' } } });
  const client = await RawClient.open(proxy.port);
  const paths = Array.from({ length: 400 }, (_, n) => `/${n}-${'x'.repeat(270)}`);
  client.send(paths.map(get).join(''));
  const responses = await client.responses(...paths.map(() => 'GET'));
  assert.equal(
    responses.map(response => response.body),
    paths.map(path => echoed(`GET ${path} HTTP/1.1`)),
  );
  client.close();
  proxy.close();
  await origin.close();
});

test('a slow first response holds back the second, which is ready earlier', async () => {
  const origin = await ScriptedOrigin.start({
    answer(request) {
      if (request.target !== '/slow') return echo(request);
      setTimeout(() => request.connection.send(echo(request)), 60);
      return undefined;
    },
  });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send(get('/slow') + get('/fast'));
  const [first, second] = await client.responses('GET', 'GET');
  assert.is(first?.body, echoed('GET /slow HTTP/1.1'));
  assert.is(second?.body, echoed('GET /fast HTTP/1.1'));
  client.close();
  proxy.close();
  await origin.close();
});

test('a half-closed client gets its response, however late', async () => {
  const origin = await ScriptedOrigin.start({
    answer({ connection }) {
      void (async () => {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n');
        for (let n = 0; n < 12; n++) {
          connection.send('x');
          await sleep(40);
        }
      })();
      return undefined;
    },
  });
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: { timeouts: { halfClosed: '150ms' } },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get('/'));
  client.finish();
  const response = await client.response();
  assert.is(response.body, 'x'.repeat(12));
  await client.untilEnd();
  assert.is(client.failure, '');
  assert.is(proxy.finished[0]?.outcome, 'complete');
  proxy.close();
  await origin.close();
});

test('a half-closed client that waits too long for a head counts as gone', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: { timeouts: { halfClosed: '100ms' } },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get('/'));
  client.finish();
  await until('the end of the request', () => proxy.finished.length === 1);
  assert.is(proxy.finished[0]?.status, 499);
  await until('the upstream request to be cancelled', () => origin.connections[0]?.gone === true);
  proxy.close();
  await origin.close();
});

test('a half-closed client counts as gone when its response stalls', async () => {
  const origin = await ScriptedOrigin.start({
    answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
  });
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: { timeouts: { halfClosed: '100ms' } },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get('/'));
  await client.until('a part', () => client.text.endsWith('abc'));
  client.close();
  await until('the upstream request to be cancelled', () => origin.connections[0]?.gone === true, 2_000);
  assert.is(proxy.finished[0]?.error?.code, 'CLIENT_CLOSED');
  proxy.close();
  await origin.close();
});

test('pipelined requests of a half-closed client all get responses', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send(get('/1') + get('/2') + get('/3'));
  client.finish();
  const responses = await client.responses('GET', 'GET', 'GET');
  assert.equal(
    responses.map(({ body }) => body),
    ['1', '2', '3'].map(n => echoed(`GET /${n} HTTP/1.1`)),
  );
  await client.untilEnd();
  assert.is(client.failure, '');
  proxy.close();
  await origin.close();
});

test('a connection that ends within a head is closed without a request upstream', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url] });
  for (const half of [
    'G',
    'GET / HTTP/1.1\r\nHost: a.test\r\n',
    '\r\n',
    'GET / HTTP/1.1\r\nHost: a.test\r\n\r',
  ]) {
    const client = await RawClient.open(proxy.port);
    client.send(half);
    client.finish();
    assert.is(await client.untilEnd(), '');
  }
  assert.is(origin.connections.length, 0);
  proxy.close();
  await origin.close();
});

test('a connection that ends within a body cancels the request upstream', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url] });
  for (const framing of ['Content-Length: 10\r\n\r\nabc', 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n']) {
    const client = await RawClient.open(proxy.port);
    client.send(`POST / HTTP/1.1\r\nHost: a.test\r\n${framing}`);
    await until('the body to arrive', () => origin.connections.at(-1)?.raw.includes('abc') === true);
    client.finish();
    assert.is(await client.untilEnd(), '');
    await until('the upstream request to be cancelled', () => origin.connections.at(-1)?.gone === true);
  }
  assert.is(origin.requests.length, 0, 'no request that looks complete');
  assert.equal(
    proxy.finished.map(ctx => ctx.status),
    [499, 499],
  );
  proxy.close();
  await origin.close();
});

test('a closed listener ends the requests in flight, and reports the end of each', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(proxy.port)));
  for (const client of clients) client.send(get('/'));
  await until('three requests at the origin', () => origin.requests.length === 3);
  proxy.close();
  for (const client of clients) await client.untilEnd();
  await until('three requests to be over', () => proxy.finished.length === 3);
  await until('three upstream connections to end', () => origin.connections.every(c => c.gone));
  assert.is([...proxy.pools.default][0]?.inFlight, 0);
  await origin.close();
});

test('a drain finishes responses, announces that they are the last, and closes idle connections', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const [busy, idle] = await Promise.all([RawClient.open(proxy.port), RawClient.open(proxy.port)]);
  busy.send(get('/'));
  await until('a request at the origin', () => origin.requests.length === 1);
  const drained = proxy.listener.drain(5_000);
  await idle.untilEnd();
  idle.close();
  assert.is(idle.text, '');
  origin.requests[0]?.connection.send(ok('late'));
  const response = await busy.response();
  assert.is(response.body, 'late');
  assert.equal(valuesOf(response, 'connection'), ['close']);
  await busy.untilEnd();
  busy.close();
  await drained;
  assert.is(proxy.listener.connections, 0);
  proxy.close();
  await origin.close();
});

test('a drain cuts the remaining requests when its time is over', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send(get('/'));
  await until('a request at the origin', () => origin.requests.length === 1);
  await proxy.listener.drain(100);
  assert.is(await client.untilEnd(), '');
  await until('the request to be over', () => proxy.finished.length === 1);
  proxy.close();
  await origin.close();
});

test('a 503 reply has a Retry-After', async () => {
  const proxy = await startProxy();
  const client = await RawClient.open(proxy.port);
  client.send(get('/'));
  const response = await client.response();
  assert.is(statusOf(response), 503);
  assert.equal(valuesOf(response, 'retry-after'), ['5']);
  client.close();
  proxy.close();
});
