// Connections to upstreams: kept, reused, raced by closes, resolved by name, over TLS.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import type { UpstreamTls } from '../../core/pool/pool.ts';
import { retry } from '../../core/request/retry.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';
import { tcpSockets } from './support/tcp-sockets.ts';

const test = suite('connections to upstreams');
const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

async function ask(proxy: TestProxy, request = get(), method = 'GET'): Promise<Message> {
  const client = await RawClient.open(proxy.port);
  client.send(request);
  const response = await client.response(method);
  client.close();
  return response;
}

async function withOrigin(
  script: Script,
  options: ProxyOptions,
  use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>,
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], ...options });
  try {
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

/** Retries requests that failed on a reused connection before a response, as a plugin may. */
const retrying: ProxyOptions['tap'] = hooks => {
  hooks.judge.tap('again', ctx =>
    ctx.error !== undefined && ctx.error.retry !== 'never' && ctx.replayable && ctx.tried.length < 4
      ? retry
      : undefined,
  );
};

for (const framing of ['length', 'chunked']) {
  test(`one connection serves many requests, even when the response's reader is slower: ${framing}`, async () => {
    const body = 'x'.repeat(1000);
    const answer =
      framing === 'length'
        ? ok(body)
        : `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${body}\r\n0\r\n\r\n`;
    const slow: ProxyOptions['tap'] = hooks => {
      hooks.postProxy.tap('slow', ctx => {
        ctx.transformResponse(
          () =>
            new Transform({
              highWaterMark: 1,
              transform: (chunk, _, done) => void setTimeout(done, 20, null, chunk),
            }),
        );
        return undefined;
      });
    };
    await withOrigin({ answer: () => answer }, { tap: slow }, async (proxy, origin) => {
      for (let n = 0; n < 5; n++) assert.is((await ask(proxy)).body, body);
      assert.is(origin.connections.length, 1);
      // Bytes that arrive on it without a request still end it.
      origin.connections[0]?.send('HTTP/1.1 200 OK\r\n\r\n');
      await until('the connection is closed', () => origin.connections[0]?.socket.readableEnded === true);
    });
  });
}

test('one connection serves the requests of many clients, one after another', async () => {
  await withOrigin({}, {}, async (proxy, origin) => {
    for (let n = 0; n < 10; n++)
      assert.is((await ask(proxy, get(`/${n}`))).body, echoed(`GET /${n} HTTP/1.1`));
    assert.is(origin.connections.length, 1);
  });
});

test('an idle connection is closed after its timeout', async () => {
  await withOrigin({}, { settings: { timeouts: { upstreamIdle: '100ms' } } }, async (proxy, origin) => {
    await ask(proxy);
    await until('the close', () => origin.connections[0]?.gone === true);
  });
});

test('Keep-Alive: timeout of an upstream closes the connection before the upstream does', async () => {
  const answer: Script['answer'] = () => ok('x', 'Keep-Alive: timeout=2, max=100');
  await withOrigin({ answer }, { settings: { timeouts: { upstreamIdle: '30s' } } }, async (proxy, origin) => {
    await ask(proxy);
    const before = performance.now();
    await until('the close', () => origin.connections[0]?.gone === true);
    assert.ok(performance.now() - before < 1_900, 'it was open for longer than the upstream said');
  });
});

test('a connection that an upstream keeps for a second or less is not reused', async () => {
  for (const timeout of ['timeout=0', 'timeout=1', 'max=5, timeout=1']) {
    const answer: Script['answer'] = () => ok('x', `Keep-Alive: ${timeout}`);
    await withOrigin({ answer }, {}, async (proxy, origin) => {
      await ask(proxy);
      await ask(proxy);
      assert.is(origin.connections.length, 2);
    });
  }
});

test('bytes on an idle connection end it, and do not become a response', async () => {
  await withOrigin({}, {}, async (proxy, origin) => {
    await ask(proxy);
    origin.connections[0]?.send(
      'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    );
    await until('the close', () => origin.connections[0]?.gone === true);
    assert.is((await ask(proxy, get('/next'))).body, echoed('GET /next HTTP/1.1'));
    assert.is(origin.connections.length, 2);
  });
});

/** Responses followed by another, unrequested one, in the same bytes or a moment later. */
const ends: readonly (readonly [how: string, method: string, response: string])[] = [
  ['a length', 'GET', ok('fine')],
  ['chunks', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n'],
  ['trailers', 'GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nA: b\r\n\r\n'],
  ['no body', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['304', 'GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n'],
  ['HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n'],
];
const poison = ok('poison');
for (const [how, method, response] of ends) {
  for (const when of ['in the same bytes', 'while the connection is idle'] as const) {
    for (const over of ['TCP', 'TLS'] as const) {
      test(`a response before its request is dropped, after ${how}, ${when}, over ${over}`, async () => {
        const answer: Script['answer'] = ({ target, connection }) => {
          if (target !== '/first') return ok('next');
          if (when === 'in the same bytes') return response + poison;
          setTimeout(() => connection.send(poison), 5);
          return response;
        };
        const origin = await ScriptedOrigin.start(
          over === 'TCP' ? { answer } : { answer, tls: { cert: certificate, key: privateKey } },
        );
        const proxy = await startProxy({
          upstreams: [{ url: origin.url, tls: { ca: certificate, servername: 'origin.test' } }],
        });
        try {
          await ask(proxy, `${method} /first HTTP/1.1\r\nHost: a.test\r\n\r\n`, method);
          await until('the connection to end', () => origin.connections[0]?.gone === true);
          for (let n = 0; n < 3; n++) assert.is((await ask(proxy, get('/next'))).body, 'next');
          assert.is(origin.connections.length, 2);
        } finally {
          proxy.close();
          await origin.close();
        }
      });
    }
  }
}

test('a connection that its upstream closed while idle is not reused', async () => {
  for (const how of ['end', 'cut'] as const) {
    await withOrigin({}, {}, async (proxy, origin) => {
      await ask(proxy);
      origin.connections[0]?.[how]();
      await until('the end', () => origin.connections[0]?.socket.destroyed === true);
      await sleep(10);
      assert.is(statusOf(await ask(proxy)), 200);
    });
  }
});

test('a close that crosses a request on a reused connection is recognized, so the request can be retried', async () => {
  let crossing = true;
  const script: Script = {
    answer(request) {
      if (request.target === '/' || !crossing) return echo(request);
      crossing = false;
      request.connection.cut();
      return undefined;
    },
  };
  await withOrigin(script, {}, async proxy => {
    await ask(proxy);
    assert.is(statusOf(await ask(proxy, get('/crossed'))), 502);
    const failed = proxy.finished.at(-1);
    assert.equal(
      [failed?.error?.code, failed?.error?.retry, failed?.attempts.at(-1)?.reusedConnection],
      ['STALE_CONNECTION', 'idempotent', true],
    );
  });
  crossing = true;
  await withOrigin(script, { tap: retrying }, async (proxy, origin) => {
    await ask(proxy);
    assert.is((await ask(proxy, get('/crossed'))).body, echoed('GET /crossed HTTP/1.1'));
    assert.is(origin.requests.length, 3);
  });
});

test('a retried request is sent completely, with its body', async () => {
  let failures = 2;
  const script: Script = {
    answer(request) {
      if (failures-- <= 0) return echo(request);
      request.connection.cut();
      return undefined;
    },
  };
  await withOrigin(script, { tap: retrying }, async (proxy, origin) => {
    const body = 'x'.repeat(5_000);
    const response = await ask(
      proxy,
      `PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5000\r\n\r\n${body}`,
      'PUT',
    );
    assert.is(response.body, echoed('PUT / HTTP/1.1', body));
    assert.is(new Set(origin.requests.map(request => request.raw)).size, 1, 'the same each time');
    assert.is(origin.requests.length, 3);
    assert.is([...proxy.pools.default][0]?.inFlight, 0);
  });
});

test('a request whose body has been streamed is not retried', async () => {
  const script: Script = {
    answer(request) {
      request.connection.cut();
      return undefined;
    },
  };
  await withOrigin(script, { tap: retrying }, async (proxy, origin) => {
    const body = 'x'.repeat(100_000);
    const response = await ask(
      proxy,
      `PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n${body}`,
      'PUT',
    );
    assert.is(statusOf(response), 502);
    assert.is(origin.requests.length, 1);
    assert.is(proxy.finished[0]?.replayable, false);
  });
});

test('an upstream that refuses connections results in 502 for 200 requests at once', async () => {
  const port = await freePort();
  const proxy = await startProxy({ upstreams: [`http://127.0.0.1:${port}`] });
  const responses = await Promise.all(Array.from({ length: 200 }, () => ask(proxy)));
  assert.ok(responses.every(response => statusOf(response) === 502));
  assert.is(proxy.finished.length, 200);
  assert.ok(proxy.finished.every(ctx => ctx.error?.code === 'CONNECT_FAILED'));
  assert.is([...proxy.pools.default][0]?.inFlight, 0);
  proxy.close();
});

test('an upstream is found by its name, and one without an address results in 502', async () => {
  await withOrigin({}, {}, async (_, origin) => {
    const proxy = await startProxy({ upstreams: [`http://localhost:${origin.port}`] });
    assert.is(statusOf(await ask(proxy)), 200);
    proxy.close();
  });
  const proxy = await startProxy({ upstreams: ['http://nowhere.invalid:80'] });
  assert.is(statusOf(await ask(proxy)), 502);
  assert.is(proxy.finished[0]?.error?.code, 'CONNECT_FAILED');
  proxy.close();
});

test('a server gets the client’s Host, its own, or a configured one', async () => {
  await withOrigin({}, {}, async (_, origin) => {
    const expected = {
      client: 'b.test',
      upstream: `127.0.0.1:${origin.port}`,
      'shop.test:81': 'shop.test:81',
    };
    for (const [host, sent] of Object.entries(expected)) {
      const proxy = await startProxy({ upstreams: [{ url: origin.url, host }] });
      await ask(proxy, 'GET http://b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const request = origin.requests.at(-1);
      assert.equal(request && valuesOf(request, 'host'), [sent]);
      assert.equal(request && valuesOf(request, 'x-forwarded-host'), ['b.test']);
      proxy.close();
    }
  });
});

test('a Host that a plugin sets overrides the one of the server', async () => {
  await withOrigin({}, {}, async (_, origin) => {
    const proxy = await startProxy({
      upstreams: [{ url: origin.url, host: 'shop.test' }],
      tap: hooks => hooks.preProxy.tap('host', ctx => void ctx.outgoing.headers.set('Host', 'c.test')),
    });
    await ask(proxy);
    const [request] = origin.requests;
    assert.equal(request && valuesOf(request, 'host'), ['c.test']);
    proxy.close();
  });
});

test('a removed upstream finishes its requests, and its connection is not kept', async () => {
  await withOrigin({ answer: () => undefined }, {}, async (proxy, origin) => {
    const client = await RawClient.open(proxy.port);
    client.send(get());
    await until('the request', () => origin.requests.length === 1);
    proxy.pools.default.delete(origin.url);
    origin.requests[0]?.connection.send(ok('late'));
    assert.is((await client.response()).body, 'late');
    await until('the close', () => origin.connections[0]?.gone === true);
    client.send(get());
    const [, second] = await client.responses('GET', 'GET');
    assert.is(second && statusOf(second), 503);
    client.close();
  });
});

test("choosing an upstream of another pool is the plugin's error", async () => {
  await withOrigin({}, {}, async (_, origin) => {
    const elsewhere = await startProxy({ upstreams: [origin.url] });
    const [stray] = elsewhere.pools.default;
    const proxy = await startProxy({ tap: hooks => hooks.selectUpstream.tap('stray', () => stray) });
    assert.is(statusOf(await ask(proxy)), 500);
    const expected = /plugin stray in selectUpstream: returned .*; expected an upstream of ctx.pool/;
    assert.ok(proxy.log.some(line => expected.test(line.msg)));
    assert.is(origin.requests.length, 0);
    proxy.close();
    elsewhere.close();
  });
});

test('100 malformed requests count against no upstream', async () => {
  await withOrigin({}, {}, async proxy => {
    for (let n = 0; n < 50; n++) {
      await ask(proxy, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n');
      await ask(proxy, 'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n', 'POST');
    }
    assert.ok(proxy.finished.every(ctx => ctx.error?.blame === 'client'));
    assert.is(statusOf(await ask(proxy)), 200);
  });
});

interface Certificates {
  readonly folder: string;
  read(name: string): string;
}

/** Creates a CA with certificates for a server and a client, and another CA that signed nothing. */
function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'other']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.pem`,
      '-subj',
      `/CN=${ca}`,
      '-days',
      '2',
    );
  }
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:origin.test,IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-extfile',
      'names',
    );
  }
  return { folder, read: name => readFileSync(join(folder, name), 'utf8') };
}

const tls = suite('TLS to upstreams');
let certificates: Certificates;
tls.before(() => {
  certificates = makeCertificates();
});
tls.after(() => rmSync(certificates.folder, { recursive: true }));

async function askOverTls(
  settings: UpstreamTls | undefined,
  script: Script = {},
): Promise<{ response: Message; proxy: TestProxy; origin: ScriptedOrigin }> {
  const { read } = certificates;
  const origin = await ScriptedOrigin.start({
    ...script,
    tls: { cert: read('server.pem'), key: read('server.key'), ...script.tls },
  });
  const proxy = await startProxy({
    upstreams: [settings === undefined ? origin.url : { url: origin.url, tls: settings }],
  });
  try {
    return { response: await ask(proxy), proxy, origin };
  } finally {
    proxy.close();
    await origin.close();
  }
}

tls('an upstream with a certificate from the configured CA is trusted', async () => {
  const { response, origin } = await askOverTls({ ca: certificates.read('ca.pem') });
  assert.is(response.body, echoed('GET / HTTP/1.1'));
  assert.is(origin.requests[0]?.line, 'GET / HTTP/1.1');
});

tls(
  'an upstream with a certificate from an unknown CA results in 502, and gets no byte of the request (CVE-2026-107318)',
  async () => {
    for (const settings of [undefined, { ca: certificates.read('other.pem') }]) {
      const { response, proxy, origin } = await askOverTls(settings);
      assert.is(statusOf(response), 502);
      assert.is(proxy.finished[0]?.error?.code, 'TLS_FAILED');
      assert.is(origin.connections.map(connection => connection.raw).join(''), '');
    }
  },
);

tls('an upstream whose certificate is for another name results in 502', async () => {
  const { response, proxy } = await askOverTls({
    ca: certificates.read('ca.pem'),
    servername: 'elsewhere.test',
  });
  assert.is(statusOf(response), 502);
  assert.is(proxy.finished[0]?.error?.code, 'TLS_FAILED');
});

tls('the SNI name is the configured one', async () => {
  const { response, origin } = await askOverTls({
    ca: certificates.read('ca.pem'),
    servername: 'origin.test',
  });
  assert.is(statusOf(response), 200);
  const socket = origin.connections[0]?.socket as TLSSocket | undefined;
  assert.is(socket?.servername, 'origin.test');
});

tls('an address is not sent as SNI, and the certificate is checked against it', async () => {
  const ca = certificates.read('ca.pem');
  const { response, origin } = await askOverTls({ ca, servername: '127.0.0.1' });
  assert.is(statusOf(response), 200);
  const socket = origin.connections[0]?.socket as TLSSocket | undefined;
  assert.not(socket?.servername);
  const { response: refused, proxy } = await askOverTls({ ca, servername: '127.0.0.2' });
  assert.is(statusOf(refused), 502);
  assert.is(proxy.finished[0]?.error?.code, 'TLS_FAILED');
});

const unusable: [what: string, tls: (read: (name: string) => string) => UpstreamTls][] = [
  ['a key of another certificate', read => ({ cert: read('server.pem'), key: read('client.key') })],
  ['a key that is not PEM', read => ({ cert: read('server.pem'), key: 'nonsense' })],
  ['a certificate that is not PEM', read => ({ cert: 'nonsense', key: read('server.key') })],
  ['a name with a zero byte', () => ({ servername: 'a\0b' })],
];
for (const [what, settings] of unusable) {
  tls(`${what} results in 502 with the cause, and does not end the worker`, async () => {
    const { response, proxy } = await askOverTls(settings(certificates.read));
    assert.is(statusOf(response), 502);
    assert.is(proxy.finished[0]?.error?.code, 'TLS_FAILED');
  });
}

tls('an unverified upstream is accepted only if the config says so', async () => {
  const { response } = await askOverTls({ verify: false });
  assert.is(statusOf(response), 200);
});

tls('a client certificate is sent to an upstream that requests one', async () => {
  const { read } = certificates;
  const asking: Script = { tls: { requestCert: true, rejectUnauthorized: true, ca: read('ca.pem') } };
  const ca = read('ca.pem');
  const { response } = await askOverTls({ ca, cert: read('client.pem'), key: read('client.key') }, asking);
  assert.is(statusOf(response), 200);
  const without = await askOverTls({ ca }, asking);
  assert.is(statusOf(without.response), 502);
});

tls('an upstream that sends plain text instead of TLS results in 502 (CVE-2026-1642)', async () => {
  const origin = await ScriptedOrigin.start({
    onConnection: connection => connection.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected'),
    onBytes: () => {},
    answer: () => undefined,
  });
  const proxy = await startProxy({
    upstreams: [{ url: origin.url.replace('http:', 'https:'), tls: { verify: false } }],
  });
  const response = await ask(proxy);
  assert.is(statusOf(response), 502);
  assert.not.match(response.raw, 'injected');
  proxy.close();
  await origin.close();
});

tls('bodies go both ways over TLS', async () => {
  const { read } = certificates;
  const origin = await ScriptedOrigin.start({ tls: { cert: read('server.pem'), key: read('server.key') } });
  const proxy = await startProxy({ upstreams: [{ url: origin.url, tls: { ca: read('ca.pem') } }] });
  const body = 'abc'.repeat(100_000);
  const request = `PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.is((await ask(proxy, request, 'PUT')).body, echoed('PUT / HTTP/1.1', body));
  proxy.close();
  await origin.close();
});

const upgrade = 'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';
const upgraded = 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

for (const use of ['requests', 'an upgrade']) {
  tls(`no socket of ${use} delays small packets, over TLS and plain, on both sides`, async () => {
    const { read } = certificates;
    for (const over of [{ tls: { cert: read('server.pem'), key: read('server.key') } }, {}]) {
      const origin = await ScriptedOrigin.start({
        ...over,
        ...(use === 'requests' ? {} : { answer: () => upgraded, onBytes: () => {} }),
      });
      const proxy = await startProxy({
        upstreams: ['tls' in over ? { url: origin.url, tls: { verify: false } } : origin.url],
      });
      const client = await RawClient.open(proxy.port);
      // To a client, the second write is the first that could be delayed.
      for (let n = 0; n < 3; n++) {
        client.send(use === 'requests' ? get() : n === 0 ? upgrade : 'more');
        if (use === 'requests')
          await client.until('an answer', () => client.text.split('HTTP/1.1 200').length === n + 2);
        else
          await until(
            'it arrives',
            () => origin.connections[0]?.raw.endsWith(n === 0 ? '\r\n\r\n' : 'more') === true,
          );
      }
      const ours = tcpSockets(process.pid);
      const port = Number(new URL(origin.url).port);
      assert.is(ours.find(({ local }) => local === proxy.port)?.noDelay, true, 'to the client');
      assert.is(ours.find(({ remote }) => remote === port)?.noDelay, true, 'to the upstream');
      client.close();
      proxy.close();
      await origin.close();
    }
  });
}

tls('a tunnel works over TLS', async () => {
  const { read } = certificates;
  const origin = await ScriptedOrigin.start({
    tls: { cert: read('server.pem'), key: read('server.key') },
    onBytes: () => {},
    answer: () => 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello',
  });
  const proxy = await startProxy({ upstreams: [{ url: origin.url, tls: { ca: read('ca.pem') } }] });
  const client = await RawClient.open(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await client.until('the first bytes', () => client.text.endsWith('hello'));
  client.send('back');
  await until('bytes at the origin', () => origin.connections[0]?.raw.endsWith('back') === true);
  client.close();
  proxy.close();
  await origin.close();
});
