// Abrupt ends: a reset by either side in any phase never throws, and frees everything that the request held.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echoed, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('aborts');
const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const silent: Script = { answer: () => undefined };

async function withSilence(
  use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>,
  script: Script = silent,
  options: ProxyOptions = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], ...options });
  try {
    await use(proxy, origin);
    await until('all connections to be closed', () => proxy.listener.connections === 0);
    await until('all upstream connections to be closed', () => origin.connections.every(c => c.gone));
    assert.is([...proxy.pools.default][0]?.inFlight, 0);
    for (const ctx of proxy.finished) assert.is(ctx.outcome, 'aborted');
  } finally {
    proxy.close();
    await origin.close();
  }
}

test('a client that resets while the upstream is working cancels its request at once, as 499', async () => {
  await withSilence(async (proxy, origin) => {
    const client = await RawClient.open(proxy.port);
    client.send(get);
    await until('the request', () => origin.requests.length === 1);
    client.reset();
    await until('the cancel', () => origin.connections[0]?.gone === true, 500);
    await until('the end', () => proxy.finished.length === 1);
    const [ctx] = proxy.finished;
    assert.equal([ctx?.status, ctx?.error?.code], [499, 'CLIENT_CLOSED']);
    assert.ok(proxy.log.some(line => line['status'] === 499));
  });
});

test('a client that resets before, within and after its head leaves nothing behind', async () => {
  await withSilence(async (proxy, origin) => {
    for (const sent of ['', 'G', 'GET / HTTP/1.1\r\nHost: a', '\r\n']) {
      const client = await RawClient.open(proxy.port);
      if (sent !== '') client.send(sent);
      await new Promise(resolve => setTimeout(resolve, 5));
      client.reset();
    }
    await until('all of them to be closed', () => proxy.listener.connections === 0);
    assert.is(origin.connections.length, 0);
    assert.is(proxy.finished.length, 0);
  });
});

test('a client that resets within its body cancels the request', async () => {
  await withSilence(async (proxy, origin) => {
    for (const framing of [
      'Content-Length: 10\r\n\r\nabc',
      'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    ]) {
      const client = await RawClient.open(proxy.port);
      client.send(`POST / HTTP/1.1\r\nHost: a.test\r\n${framing}`);
      await until('the body', () => origin.connections.at(-1)?.raw.includes('abc') === true);
      client.reset();
      await until('the cancel', () => origin.connections.at(-1)?.gone === true, 500);
    }
    await until('both ends', () => proxy.finished.length === 2);
    assert.ok(proxy.finished.every(ctx => ctx.status === 499));
  });
});

test('a client that resets within its response cancels the request', async () => {
  const script: Script = { answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc' };
  await withSilence(async (proxy, origin) => {
    const client = await RawClient.open(proxy.port);
    client.send(get);
    await client.until('a part', () => client.text.endsWith('abc'));
    client.reset();
    await until('the cancel', () => origin.connections[0]?.gone === true, 500);
    await until('the end', () => proxy.finished.length === 1);
    assert.equal([proxy.finished[0]?.status, proxy.finished[0]?.error?.code], [200, 'CLIENT_CLOSED']);
  }, script);
});

test('a client that resets while a plugin is working ends its request, and the late result is ignored', async () => {
  for (const stage of ['selectUpstream', 'preProxy', 'postProxy'] as const) {
    let go = (): void => {};
    let waiting = false;
    const gate = new Promise<void>(resolve => {
      go = resolve;
    });
    const wait = async (): Promise<undefined> => {
      waiting = true;
      await gate;
    };
    const script: Script = { answer: () => 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc' };
    const tap: ProxyOptions['tap'] = hooks => hooks[stage].tapPromise('slow', wait);
    await withSilence(
      async proxy => {
        const client = await RawClient.open(proxy.port);
        client.send(get);
        await until(`the plugin in ${stage}`, () => waiting);
        client.reset();
        await until('the end', () => proxy.finished.length === 1);
        go();
        await new Promise(resolve => setTimeout(resolve, 10));
        assert.is(proxy.finished.length, 1);
      },
      script,
      { tap },
    );
  }
});

test('a client that resets while its request waits for a connection ends the request', async () => {
  // A documentation address (RFC 5737): the connection is not established, or refused.
  const proxy = await startProxy({
    upstreams: ['http://192.0.2.1:81'],
    settings: { timeouts: { connect: '5s' } },
  });
  const client = await RawClient.open(proxy.port);
  client.send(get);
  await until('the request', () => proxy.listener.activeRequests === 1 || proxy.finished.length === 1);
  client.reset();
  await until('the end', () => proxy.finished.length === 1, 1_000);
  await until('the close', () => proxy.listener.connections === 0);
  proxy.close();
});

test('an upstream that resets in any phase results in 502 or a cut response', async () => {
  const phases = [
    '',
    'HTTP/1.1 2',
    'HTTP/1.1 200 OK\r\nX: y\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
  ];
  for (const sent of phases) {
    const script: Script = {
      answer({ connection }) {
        if (sent !== '') connection.send(sent);
        setTimeout(() => connection.cut(), 10);
        return undefined;
      },
    };
    const origin = await ScriptedOrigin.start(script);
    const proxy = await startProxy({ upstreams: [origin.url] });
    const client = await RawClient.open(proxy.port);
    client.send(get);
    await until('the end', () => proxy.finished.length === 1);
    if (sent.includes('\r\n\r\n')) {
      await client.untilEnd();
      assert.not(client.parse(['GET']).final[0]?.complete);
    } else {
      assert.is(statusOf(await client.response()), 502);
    }
    client.close();
    proxy.close();
    await origin.close();
  }
});

test('an upstream that resets while the body is being sent results in 502', async () => {
  const script: Script = { answer: () => undefined, onBytes: connection => connection.cut() };
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10000000\r\n\r\n');
  client.send(Buffer.alloc(3_000_000, 'x'));
  assert.is(statusOf(await client.response('POST')), 502);
  await client.untilEnd();
  client.close();
  proxy.close();
  await origin.close();
});

test('2,000 requests aborted at random leave nothing behind', async () => {
  const script: Script = {
    answer(request) {
      const { connection } = request;
      const fate = request.target.length % 5;
      if (fate === 0) connection.cut();
      else if (fate === 1) connection.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
      else if (fate === 2)
        connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
      else if (fate === 3) connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc`);
      return undefined;
    },
  };
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], settings: { timeouts: { halfClosed: '50ms' } } });
  for (let round = 0; round < 40; round++) {
    const clients = await Promise.all(Array.from({ length: 50 }, () => RawClient.open(proxy.port)));
    clients.forEach((client, n) => {
      client.send(`GET /${'x'.repeat(n % 5)} HTTP/1.1\r\nHost: a.test\r\n\r\n${n % 7 === 0 ? get : ''}`);
      setTimeout(() => client[n % 2 === 0 ? 'reset' : 'close'](), (n * 7) % 20);
    });
    await until('all of them to be closed', () => proxy.listener.connections === 0);
  }
  assert.is([...proxy.pools.default][0]?.inFlight, 0);
  origin.answer = request =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${request.line.length + 3}\r\n\r\n${echoed(request.line)}`;
  const client = await RawClient.open(proxy.port);
  client.send(get);
  assert.is((await client.response()).body, echoed('GET / HTTP/1.1'));
  client.close();
  proxy.close();
  await until('all upstream connections to be closed', () => origin.connections.every(c => c.gone));
  await origin.close();
});
