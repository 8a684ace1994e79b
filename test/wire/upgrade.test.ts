// Upgrades: tunnels in both directions, how they end, refusals, and what must not pass.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, type OriginConnection, ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('upgrades');

const ask = (...fields: string[]): string =>
  ['GET /chat HTTP/1.1', 'Host: a.test', 'Connection: Upgrade', 'Upgrade: websocket', ...fields, '', ''].join(
    '\r\n',
  );
const accept =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
  readonly connection: () => OriginConnection;
}

async function withUpgrade(
  script: Script,
  options: ProxyOptions,
  use: (ends: Ends) => Promise<void>,
): Promise<void> {
  // `onBytes` keeps the origin from ending its side automatically.
  const origin = await ScriptedOrigin.start({ onBytes: () => {}, answer: () => accept, ...script });
  const proxy = await startProxy({ upstreams: [origin.url], ...options });
  const client = await RawClient.open(proxy.port);
  const connection = (): OriginConnection => {
    const last = origin.connections.at(-1);
    if (last === undefined) throw new Error('no connection at the origin');
    return last;
  };
  try {
    await use({ client, origin, proxy, connection });
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

/** Asks for the upgrade and waits until the tunnel is open. */
async function open({ client }: Ends): Promise<void> {
  client.send(ask());
  await client.until('101', () => client.text.endsWith('\r\n\r\n'));
}

test('an upgrade is forwarded, and the 101 passed on', async () => {
  await withUpgrade({}, {}, async ends => {
    const { client, origin } = ends;
    client.send(ask('Sec-WebSocket-Key: abc', 'Sec-WebSocket-Version: 13'));
    await client.until('101', () => client.text.endsWith('\r\n\r\n'));
    const [request] = origin.requests;
    assert.equal(request && valuesOf(request, 'connection'), ['upgrade']);
    assert.equal(request && valuesOf(request, 'upgrade'), ['websocket']);
    assert.equal(request && valuesOf(request, 'sec-websocket-key'), ['abc']);
    assert.is(
      client.text,
      'HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
    );
  });
});

test('bytes go both ways, and are counted', async () => {
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    const { client, connection, proxy } = ends;
    const before = connection().raw.length;
    client.send('GET / HTTP/1.1\n\x00\xff');
    await until('bytes at the origin', () => connection().raw.length === before + 17);
    connection().send('\x81\x03abc');
    await client.until('bytes at the client', () => client.text.endsWith('\x81\x03abc'));
    client.finish();
    await until('the end at the origin', () => connection().gone);
    connection().end();
    await until('the end', () => proxy.finished.length === 1);
    const [ctx] = proxy.finished;
    assert.equal([ctx?.status, ctx?.outcome, ctx?.bytesIn, ctx?.bytesOut], [101, 'complete', 17, 5]);
    assert.is(ctx?.upstream?.inFlight, 0);
  });
});

test('bytes that the upstream sends with its 101 arrive', async () => {
  await withUpgrade({ answer: () => `${accept}\x81\x02hi` }, {}, async ({ client }) => {
    client.send(ask());
    await client.until('the first frame', () => client.text.endsWith('\r\n\r\n\x81\x02hi'));
  });
});

test('bytes that a client sends before the 101 wait for it (CVE-2026-2833)', async () => {
  await withUpgrade({ answer: () => undefined }, {}, async ({ client, origin, connection }) => {
    client.send(`${ask()}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    await until('the request', () => origin.requests.length === 1);
    await sleep(30);
    assert.is(origin.unread, '', 'nothing before the 101');
    assert.is(origin.requests.length, 1);
    connection().send(accept);
    await until('the bytes', () =>
      connection().raw.endsWith('GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n'),
    );
  });
});

test('bytes after a refused upgrade are dropped, and both sides closed (CVE-2026-69243, CVE-2024-23326)', async () => {
  for (const refusal of ['HTTP/1.1 200 OK', 'HTTP/1.1 403 Forbidden', 'HTTP/1.1 426 Upgrade Required']) {
    const answer = () => `${refusal}\r\nContent-Length: 2\r\n\r\nno`;
    await withUpgrade({ answer }, {}, async ({ client, origin, connection }) => {
      client.send(`${ask()}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      const response = await client.response();
      assert.equal([response.line, response.body], [refusal, 'no']);
      assert.equal(valuesOf(response, 'connection'), ['close']);
      await client.untilEnd();
      await until('the upstream connection to end', () => connection().gone);
      assert.is(origin.requests.length, 1);
      assert.is(client.parse(['GET']).rest, '');
    });
  }
});

test('500 refused upgrades leave no descriptor behind', async () => {
  const origin = await ScriptedOrigin.start({
    answer: () => 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
  });
  const proxy = await startProxy({ upstreams: [origin.url] });
  for (let round = 0; round < 25; round++) {
    const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.open(proxy.port)));
    await Promise.all(
      clients.map(async client => {
        client.send(ask());
        await client.untilEnd();
        client.close();
      }),
    );
  }
  await until('all connections to be closed', () => proxy.listener.connections === 0);
  await until('all upstream connections to be closed', () => origin.connections.every(c => c.gone));
  assert.is(proxy.finished.length, 500);
  proxy.close();
  await origin.close();
});

test('a half-closed side of a tunnel still receives, in both directions', async () => {
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    const { client, connection } = ends;
    client.finish();
    await until('the end at the origin', () => connection().gone);
    connection().send('later');
    await client.until('bytes after the end', () => client.text.endsWith('later'));
    connection().end('last');
    assert.match(await client.untilEnd(), /laterlast$/);
  });
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    const { client, connection } = ends;
    connection().end('done');
    assert.match(await client.untilEnd(), /done$/);
    client.send('answer');
    await until('bytes after the end', () => connection().raw.endsWith('answer'));
  });
});

test('a reset on one side ends the other', async () => {
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    ends.client.reset();
    await until('the end at the origin', () => ends.connection().gone);
    await until('the end', () => ends.proxy.finished.length === 1);
  });
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    ends.connection().cut();
    await ends.client.untilEnd();
    await until('the end', () => ends.proxy.finished.length === 1);
  });
});

test('the last words of an upstream reach a client that is still sending when it closes', async () => {
  for (let round = 0; round < 20; round++) {
    await withUpgrade({}, {}, async ends => {
      await open(ends);
      const { client, connection } = ends;
      const before = client.size;
      connection().socket.pause();
      for (let sent = 0; sent < 10; sent++) client.send(Buffer.alloc(0x10000, 'x'));
      await sleep(1);
      connection().socket.write('goodbye', () => connection().socket.destroy());
      while (!client.ended) {
        client.send(Buffer.alloc(0x4000, 'x'));
        await sleep(0);
      }
      assert.is(client.text.slice(before), 'goodbye', `round ${round}`);
    });
  }
});

test('the last words of a client reach an upstream that is still sending when it closes', async () => {
  for (let round = 0; round < 20; round++) {
    await withUpgrade({}, {}, async ends => {
      await open(ends);
      const { client, connection } = ends;
      const { raw } = connection();
      client.socket.pause();
      for (let sent = 0; sent < 10; sent++) connection().send(Buffer.alloc(0x10000, 'x'));
      await sleep(1);
      client.socket.write('goodbye', () => client.socket.destroy());
      while (!connection().gone) {
        connection().send(Buffer.alloc(0x4000, 'x'));
        await sleep(0);
      }
      assert.is(connection().raw.slice(raw.length), 'goodbye', `round ${round}`);
    });
  }
});

test('a silent tunnel ends after its timeout; one in use does not', async () => {
  await withUpgrade({}, { settings: { timeouts: { tunnel: '1s' } } }, async ends => {
    await open(ends);
    const { client, connection } = ends;
    for (let n = 0; n < 8; n++) {
      await sleep(150);
      (n % 2 === 0 ? client : connection()).send('x');
    }
    assert.not(client.ended);
    await client.untilEnd();
    await until('the end at the origin', () => connection().gone);
  });
});

test('a tunnel whose reader stalls holds back the writer', async () => {
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    const { client, connection } = ends;
    connection().socket.pause();
    let flowing = true;
    const block = Buffer.alloc(256 * 1024);
    for (let n = 0; n < 200 && flowing; n++) {
      flowing =
        client.socket.write(block) || (await Promise.race([drained(client), sleep(200).then(() => false)]));
    }
    assert.not(flowing, '50 MB were taken');
    connection().socket.resume();
    await drained(client);
  });
});

const drained = (client: RawClient): Promise<boolean> =>
  new Promise(resolve => client.socket.once('drain', () => resolve(true)));

for (const [name, framing, body] of [
  ['with a length', 'Content-Length: 5', 'hello'],
  ['in chunks', 'Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'],
] as const) {
  const request = `${ask(framing).replace('GET', 'POST')}`;
  test(`an upgrade with a body ${name} passes, and what follows the body belongs to the tunnel (CVE-2026-69243)`, async () => {
    await withUpgrade({}, {}, async ({ client, connection, proxy }) => {
      client.send(request);
      await sleep(50);
      client.send(body);
      await client.until('101', () => client.text.endsWith('\r\n\r\n'));
      const { raw } = connection();
      assert.ok(raw.endsWith(`\r\n\r\n${body}`), raw);
      client.send('GET /x HTTP/1.1\r\n\r\n');
      await until('bytes in the tunnel', () => connection().raw === `${raw}GET /x HTTP/1.1\r\n\r\n`);
      assert.is(proxy.finished.length, 0);
    });
  });

  test(`101 before the end of a body ${name} is a bad response`, async () => {
    const onBytes = (connection: OriginConnection): void => connection.send(accept);
    await withUpgrade({ onBytes, answer: () => undefined }, {}, async ({ client, connection }) => {
      client.send(request + body.slice(0, 4));
      assert.is(statusOf(await client.response('POST')), 502);
      await until('the upstream connection to end', () => connection().gone);
    });
  });
}

test('tunnels count as connections to their upstream until they close', async () => {
  const limits = { upstreamConnections: 3, upstreamQueueTimeout: '100ms' };
  await withUpgrade({}, { settings: { limits } }, async ends => {
    const { origin, proxy } = ends;
    await open(ends);
    const more = [await RawClient.open(proxy.port), await RawClient.open(proxy.port)];
    const late = await RawClient.open(proxy.port);
    const plain = await RawClient.open(proxy.port);
    try {
      for (const client of more) {
        client.send(ask());
        await client.until('101', () => client.text.endsWith('\r\n\r\n'));
      }
      late.send(ask());
      plain.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      assert.equal([statusOf(await late.response()), statusOf(await plain.response())], [503, 503]);
      assert.is(origin.connections.length, 3);
      more[0]?.reset();
      await until('a tunnel to end', () => proxy.finished.length === 3);
      const next = await RawClient.open(proxy.port);
      next.send(ask());
      await next.until('101', () => next.text.endsWith('\r\n\r\n'));
      next.close();
    } finally {
      for (const client of [...more, late, plain]) client.close();
    }
  });
});

test('a drain waits for tunnels, then cuts them', async () => {
  await withUpgrade({}, {}, async ends => {
    await open(ends);
    const { client, connection, proxy } = ends;
    const drainedListener = proxy.listener.drain(200);
    client.send('still');
    await until('bytes while draining', () => connection().raw.endsWith('still'));
    await drainedListener;
    await client.untilEnd();
    await until('the end', () => proxy.finished.length === 1);
  });
});

test('101 with another protocol than requested is a bad response', async () => {
  for (const upgrade of ['h2c', 'websocket2', '', 'x y']) {
    const answer = () => `HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`;
    await withUpgrade({ answer }, {}, async ({ client, connection }) => {
      client.send(ask());
      assert.is(statusOf(await client.response()), 502);
      await until('the upstream connection to end', () => connection().gone);
    });
  }
});

test('101 without Connection: upgrade is a bad response', async () => {
  const answer = () => 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n';
  await withUpgrade({ answer }, {}, async ({ client }) => {
    client.send(ask());
    assert.is(statusOf(await client.response()), 502);
  });
});

test('fields that Connection names in a 101 are dropped (CVE-2026-55458)', async () => {
  const answer = () =>
    'HTTP/1.1 101 Switching\r\nConnection: upgrade, x-hop\r\nX-Hop: 1\r\nUpgrade: websocket\r\nKeep-Alive: x\r\n\r\n';
  await withUpgrade({ answer }, {}, async ({ client }) => {
    client.send(ask());
    await client.until('101', () => client.text.endsWith('\r\n\r\n'));
    assert.is(client.text, 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
});

test('an upgrade never takes a connection that other requests use (CVE-2026-73548)', async () => {
  const answer: Script['answer'] = request => (request.target === '/chat' ? accept : echo(request));
  await withUpgrade({ answer }, {}, async ({ client, origin, proxy }) => {
    client.send(`GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    await client.response();
    client.send(ask());
    await client.until('101', () => client.text.includes('101 '));
    const other = await RawClient.open(proxy.port);
    other.send('GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n');
    assert.is((await other.response()).body, '[GET /other HTTP/1.1|]');
    const [first, chat, last] = origin.requests.map(request => request.connection.number);
    assert.is.not(chat, first);
    assert.is.not(chat, last);
    other.close();
  });
});

test('an upgrade that waited for a free connection gets a tunnel', async () => {
  const answer: Script['answer'] = request => (request.target === '/chat' ? accept : undefined);
  const options = { settings: { limits: { upstreamConnections: 1 } } };
  await withUpgrade({ answer }, options, async ({ client, origin, proxy, connection }) => {
    const first = await RawClient.open(proxy.port);
    first.send('GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await until('the first request', () => origin.requests.length === 1);
    client.send(ask());
    await sleep(20);
    origin.requests[0]?.connection.send(ok('done'));
    await client.until('101', () => client.text.endsWith('\r\n\r\n'));
    connection().send('tunnelled');
    await client.until('bytes of the tunnel', () => client.text.endsWith('tunnelled'));
    client.send('back');
    await until('bytes at the origin', () => connection().raw.endsWith('back'));
    first.close();
  });
});

test('an upgrade whose upstream breaks while a plugin handles its 101 ends on both sides', async () => {
  let go = (): void => {};
  const waits = new Promise<void>(resolve => {
    go = resolve;
  });
  const tap: ProxyOptions['tap'] = hooks =>
    hooks.postProxy.tapPromise('slow', () => waits.then(() => undefined));
  await withUpgrade({}, { tap }, async ({ client, origin, proxy, connection }) => {
    client.send(ask());
    await until('the request', () => origin.requests.length === 1);
    await sleep(20);
    connection().cut();
    await sleep(20);
    go();
    await client.untilEnd();
    await until('the end', () => proxy.finished.length === 1);
    assert.is([...proxy.pools.default][0]?.inFlight, 0);
  });
});
