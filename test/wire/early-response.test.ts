// Responses before the request is complete, and Expect: 100-continue from end to end.
import { setTimeout as sleep } from 'node:timers/promises';
import type { TlsOptions } from 'node:tls';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, type OriginConnection, ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('early responses');

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
}

/** Runs `use` with an origin that reports bytes as they arrive, and never responds on its own. */
async function withOrigin(
  onBytes: (connection: OriginConnection) => void,
  use: (ends: Ends) => Promise<void>,
  tls?: TlsOptions,
): Promise<void> {
  const origin = await ScriptedOrigin.start({
    onBytes,
    answer: () => undefined,
    ...(tls === undefined ? {} : { tls }),
  });
  const proxy = await startProxy({
    upstreams: [{ url: origin.url, tls: { ca: certificate, servername: 'origin.test' } }],
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

const upload = (length: number, ...fields: string[]): string =>
  ['POST / HTTP/1.1', 'Host: a.test', `Content-Length: ${length}`, ...fields, '', ''].join('\r\n');
const once = (answer: (connection: OriginConnection) => void) => {
  const answered = new Set<OriginConnection>();
  return (connection: OriginConnection): void => {
    if (answered.has(connection) || !connection.raw.includes('\r\n\r\n')) return;
    answered.add(connection);
    answer(connection);
  };
};
const tooLarge = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig';

test('a refusal before the body arrives reaches the client, whose connection then ends', async () => {
  await withOrigin(
    once(connection => connection.send(tooLarge)),
    async ({ client, origin }) => {
      client.send(upload(1_000));
      const response = await client.response('POST');
      assert.equal([statusOf(response), response.body], [413, 'big']);
      assert.equal(valuesOf(response, 'connection'), ['close']);
      client.send(`${'x'.repeat(1_000)}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      await client.untilEnd();
      assert.is(client.failure, '');
      await until('the upstream connection to end', () => origin.connections[0]?.gone === true);
      assert.is(origin.connections.length, 1, 'the rest of the body becomes no request');
    },
  );
});

test('a refusal reaches a client that is still sending 20 MB, the rest of which is dropped', async () => {
  await withOrigin(
    once(connection => {
      connection.send(tooLarge);
      connection.socket.pause();
    }),
    async ({ client, origin }) => {
      client.send(upload(20_000_000));
      client.send(Buffer.alloc(20_000_000, 'x'));
      const response = await client.response('POST');
      assert.is(statusOf(response), 413);
      await client.untilEnd();
      assert.is(client.failure, '');
      assert.ok((origin.connections[0]?.raw.length ?? 0) < 10_000_000);
    },
  );
});

test('a refusal by an upstream that resets its connection right afterwards is not lost', async () => {
  await withOrigin(
    once(connection => {
      connection.end(tooLarge);
      // Closing with unread bytes causes a reset.
      connection.socket.destroySoon();
    }),
    async ({ client }) => {
      client.send(upload(300_000));
      client.send(Buffer.alloc(100_000, 'x'));
      const response = await client.response('POST');
      assert.is(statusOf(response), 413);
    },
  );
});

const length = 'Content-Length: 2000000';
for (const [how, framing, tls] of [
  ['with a length', length, undefined],
  ['in chunks', 'Transfer-Encoding: chunked', undefined],
  ['over TLS', length, { cert: certificate, key: privateKey }],
] as const) {
  test(`a refusal after which the upstream closes reaches a client that is still sending, ${how}`, async () => {
    await withOrigin(
      once(connection => {
        connection.socket.pause();
        // Closing with unread bytes causes a reset, which often fails a write before the response is read.
        connection.socket.write(tooLarge, () => connection.socket.destroy());
      }),
      async ({ proxy }) => {
        const statuses: number[] = [];
        for (let round = 0; round < 20; round++) statuses.push(await refusedUpload(proxy.port, framing));
        assert.equal(
          statuses,
          statuses.map(() => 413),
        );
      },
      tls,
    );
  });
}

/** The status that a client receives if it sends 2 MB in pieces until it gets a response. */
async function refusedUpload(port: number, framing: string): Promise<number> {
  const client = await RawClient.open(port);
  const piece = 'x'.repeat(0x4000);
  const bytes = Buffer.from(framing.startsWith('Transfer') ? `4000\r\n${piece}\r\n` : piece);
  client.send(`POST / HTTP/1.1\r\nHost: a.test\r\n${framing}\r\n\r\n`);
  try {
    for (let sent = 0; sent < 120 && client.size === 0 && !client.ended; sent++) {
      client.send(bytes);
      if (sent % 10 === 9) await sleep(0);
    }
    return statusOf(await client.response('POST'));
  } finally {
    client.close();
  }
}

test('a response streams while its request does', async () => {
  await withOrigin(
    connection => {
      if (connection.raw.endsWith('ping\r\n')) {
        const began = connection.raw.split('ping').length > 2;
        connection.send(
          `${began ? '' : 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'}4\r\npong\r\n`,
        );
      }
      if (connection.raw.endsWith('0\r\n\r\n')) connection.send('0\r\n\r\n');
    },
    async ({ client }) => {
      client.send('POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (const count of [1, 2, 3]) {
        client.send('4\r\nping\r\n');
        await client.until(`pong ${count}`, () => client.text.split('pong').length === count + 1);
      }
      client.send('0\r\n\r\n');
      const response = await client.response('POST');
      assert.is(response.body, 'pongpongpong');
    },
  );
});

test('Expect: 100-continue reaches the upstream, and its 100 the client, before any body is sent', async () => {
  await withOrigin(
    once(() => {}),
    async ({ client, origin }) => {
      client.send(upload(3, 'Expect: 100-continue'));
      await until('the head at the origin', () => origin.connections[0]?.raw.includes('\r\n\r\n') === true);
      const [connection] = origin.connections;
      assert.match(connection?.raw ?? '', '\r\nExpect: 100-continue\r\n');
      assert.is(client.text, '', 'no 100 of the proxy itself');
      connection?.send('HTTP/1.1 100 Continue\r\n\r\n');
      await client.until('the 100', () => client.text === 'HTTP/1.1 100 Continue\r\n\r\n');
      client.send('abc');
      await until('the body at the origin', () => origin.requests[0]?.body === 'abc');
      connection?.send(ok('fine'));
      assert.is((await client.response('POST')).body, 'fine');
      client.send('GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n');
      await until('the next request', () => origin.requests.length === 2);
    },
  );
});

test('a final status instead of 100 passes without the body, and ends the connection', async () => {
  for (const status of ['417 Expectation Failed', '401 Unauthorized', '200 OK']) {
    await withOrigin(
      once(connection => connection.send(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`)),
      async ({ client, origin }) => {
        client.send(upload(3, 'Expect: 100-continue'));
        const response = await client.response('POST');
        assert.is(response.line, `HTTP/1.1 ${status}`);
        assert.equal(valuesOf(response, 'connection'), ['close']);
        client.send('abcGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n');
        await client.untilEnd();
        assert.is(origin.connections.length, 1);
        assert.is(origin.requests.length, 0);
      },
    );
  }
});

test('a client that does not wait for its 100 is served too', async () => {
  const origin = await ScriptedOrigin.start({
    answer: request => `HTTP/1.1 100 Continue\r\n\r\n${echo(request)}`,
  });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  client.send(`${upload(3, 'Expect: 100-continue')}abc`);
  assert.is((await client.response('POST')).body, echoed('POST / HTTP/1.1', 'abc'));
  client.close();
  proxy.close();
  await origin.close();
});

test('an upstream that never sends 100 does not hold up a client that stops waiting', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  await client.sendPieces([upload(3, 'Expect: 100-continue'), 'abc'], 50);
  assert.is((await client.response('POST')).body, echoed('POST / HTTP/1.1', 'abc'));
  client.close();
  proxy.close();
  await origin.close();
});

test('a 103 is sent while the body is still arriving', async () => {
  await withOrigin(
    once(connection => connection.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')),
    async ({ client, origin }) => {
      client.send(upload(3));
      await client.until('the hints', () => client.text === 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
      client.send('abc');
      await until('the body', () => origin.requests.length === 1);
      origin.connections[0]?.send(ok('fine'));
      assert.is((await client.response('POST')).body, 'fine');
    },
  );
});

const processing = 'HTTP/1.1 102 Processing\r\n\r\n';
const getHead = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

test('an upstream that keeps sending interim responses may take longer than timeouts.response', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({ upstreams: [origin.url], settings: { timeouts: { response: '1s' } } });
  const client = await RawClient.open(proxy.port);
  try {
    client.send(getHead);
    await until('the request', () => origin.requests.length === 1);
    for (let n = 0; n < 8; n++) {
      await sleep(250);
      origin.connections[0]?.send(processing);
    }
    origin.connections[0]?.send(ok('done'));
    await client.until('the response', () => client.text.endsWith('done'));
    assert.is(client.text.split(processing).length, 9);
    client.send(getHead);
    await until('the next request', () => origin.requests.length === 2);
    origin.connections[0]?.send(processing);
    await client.until('a timeout after the last sign of life', () => client.text.includes('HTTP/1.1 504 '));
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
});

test('interim responses are held back while their client does not read', async () => {
  const flood = `HTTP/1.1 103 Early Hints\r\nLink: <${'a'.repeat(16_000)}>\r\n\r\n`;
  const origin = await ScriptedOrigin.start({ answer: () => undefined });
  const proxy = await startProxy({ upstreams: [origin.url] });
  const client = await RawClient.open(proxy.port);
  try {
    client.socket.pause();
    client.send(getHead);
    await until('the request', () => origin.requests.length === 1);
    const [connection] = origin.connections;
    assert.ok(connection);
    for (let n = 0; n < 1_500; n++) connection.send(flood);
    await sleep(500);
    assert.ok(connection.socket.writableLength > 10_000_000, 'most of 24 MB are still at the server');
    client.socket.resume();
    connection.send(ok('done'));
    // Converting 24 MB to text on each read would take longer than everything else.
    await client.until('all of them', () => client.size > 1_500 * flood.length);
    await client.until('the response', () => client.text.endsWith('done'));
    assert.is(client.text.split('HTTP/1.1 103 ').length, 1_501);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
});
