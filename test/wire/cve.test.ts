// One test for each class of weakness found in other proxies. The corpora have the many variants.
import * as assert from 'uvu/assert';
import { upstreamRecord } from '../../core/testing.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { echo, echoed, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';

const test = suite('classes of weakness', { ownProcess: true });
const host = 'Host: a.test\r\n';
const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`;

async function withOrigin(
  use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>,
  script: Script = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url] });
  try {
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

async function ask(proxy: TestProxy, request: string): Promise<Message> {
  const client = await RawClient.open(proxy.port);
  client.send(request);
  const response = await client.response();
  client.close();
  return response;
}

/** None of these may become a separate request at the origin. */
async function refusesToSmuggle(requests: readonly string[]): Promise<void> {
  await withOrigin(async (proxy, origin) => {
    for (const request of requests) {
      assert.is(statusOf(await ask(proxy, request)), 400, JSON.stringify(request));
      assert.not(origin.requests.some(({ target }) => target === '/smuggled'));
      assert.is((await ask(proxy, `GET /next HTTP/1.1\r\n${host}\r\n`)).body, echoed('GET /next HTTP/1.1'));
    }
    assert.equal(origin.problems, []);
  });
}

test('request smuggling by Content-Length and Transfer-Encoding', () =>
  refusesToSmuggle([
    `POST / HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: ${smuggled.length + 5}\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  ]));

test('request smuggling by chunk extensions', () =>
  refusesToSmuggle(
    ['5;\nxx', '5;a\nxx', '5;a="\nxx', '5;a\rxx', '5;a\r\r\nxx', '5;a="b\nxx'].map(
      line => `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${line}\r\n0\r\n\r\n${smuggled}`,
    ),
  ));

test('request smuggling by bare LF', () =>
  refusesToSmuggle([
    `GET / HTTP/1.1\r\nHost: a.test\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  ]));

test('request smuggling by obs-fold', () =>
  refusesToSmuggle([
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}X: y\r\n Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `POST / HTTP/1.1\r\n${host}X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
  ]));

test('request smuggling by characters in field names', () =>
  refusesToSmuggle(
    ['\x00', '\x0b', ' ', '\t', '\r', '(', ',', '\x80', '\xad', '\xff'].flatMap(character => [
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding${character}: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `POST / HTTP/1.1\r\n${host}${character}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ]),
  ));

test('abuse of hop-by-hop fields', async () => {
  await withOrigin(async (proxy, origin) => {
    const names = [
      'Host',
      'Content-Length',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'Via',
      'Transfer-Encoding',
    ];
    await ask(
      proxy,
      `POST / HTTP/1.1\r\n${host}Connection: ${names.join(', ')}, x-hop\r\nX-Hop: 1\r\nContent-Length: 3\r\n\r\nabc`,
    );
    const [request] = origin.requests;
    if (request === undefined) throw new Error('no request');
    for (const name of ['host', 'content-length', 'x-forwarded-for', 'x-forwarded-host', 'via']) {
      assert.is(valuesOf(request, name).length, 1, name);
    }
    assert.is(request.body, 'abc');
    assert.equal(valuesOf(request, 'x-hop'), []);
    assert.equal(valuesOf(request, 'connection'), []);
  });
});

test('header injection through the target, Host and a reason phrase', async () => {
  const script: Script = {
    answer: request =>
      request.target === '/reason'
        ? 'HTTP/1.1 200 OK\rX-Injected: 1\r\nContent-Length: 0\r\n\r\n'
        : echo(request),
  };
  await withOrigin(async (proxy, origin) => {
    for (const request of [
      `GET /\rX-Injected:1 HTTP/1.1\r\n${host}\r\n`,
      `GET /\x0dX-Injected:1 HTTP/1.1\r\n${host}\r\n`,
      'GET / HTTP/1.1\r\nHost: a.test\rX-Injected: 1\r\n\r\n',
      `GET http://a.test\x0a/ HTTP/1.1\r\n${host}\r\n`,
    ]) {
      assert.is(statusOf(await ask(proxy, request)), 400);
    }
    assert.is(origin.requests.length, 0);
    const escaped = await ask(proxy, `GET /%0d%0aX-Injected:%201 HTTP/1.1\r\n${host}\r\n`);
    assert.is(statusOf(escaped), 200);
    assert.is(origin.requests[0]?.target, '/%0d%0aX-Injected:%201', 'it stays escaped');
    assert.is(statusOf(await ask(proxy, `GET /reason HTTP/1.1\r\n${host}\r\n`)), 502);
  }, script);
});

test('unbounded memory of headers and chunk extensions', async () => {
  await withOrigin(async proxy => {
    const size = 4 * 1024 * 1024;
    const endless = [
      `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(size)}`,
      `GET /${'a'.repeat(size)}`,
      `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(size / 6)}`,
      `GET / HTTP/1.1\r\n${'Connection: b\r\n'.repeat(size / 15)}`,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1;a=${'b'.repeat(size)}`,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${`1;a=${'b'.repeat(500)}\r\nx\r\n`.repeat(size / 512)}`,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(size / 6)}`,
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${'0'.repeat(size)}`,
    ];
    for (const request of endless) {
      const before = process.memoryUsage().rss;
      const status = statusOf(await ask(proxy, request));
      assert.ok([400, 414, 431].includes(status), `${status}`);
      const grown = process.memoryUsage().rss - before;
      assert.ok(grown < 100 * size, `${grown} bytes for one of ${size}`);
    }
  });
});

test('unhandled rejections and exceptions when clients abort', async () => {
  const thrown: unknown[] = [];
  const note = (error: unknown): void => {
    thrown.push(error);
  };
  process.on('uncaughtExceptionMonitor', note);
  const script: Script = {
    answer: request => {
      setTimeout(() => request.connection.send('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n'), 5);
      return undefined;
    },
  };
  await withOrigin(async proxy => {
    for (let n = 0; n < 100; n++) {
      const client = await RawClient.open(proxy.port);
      client.send(
        n % 2 === 0
          ? `GET / HTTP/1.1\r\n${host}\r\n`
          : `POST / HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nabc`,
      );
      setTimeout(() => client.reset(), n % 12);
    }
    await until('all of them to be closed', () => proxy.listener.connections === 0);
  }, script);
  process.off('uncaughtExceptionMonitor', note);
  assert.equal(thrown, []);
});

test('leaked descriptors on refused upgrades', async () => {
  await withOrigin(
    async (proxy, origin) => {
      for (let n = 0; n < 50; n++) {
        const client = await RawClient.open(proxy.port);
        client.send(`GET / HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
        await client.untilEnd();
        client.close();
      }
      await until('all of them to be closed', () => proxy.listener.connections === 0);
      await until('all upstream connections to be closed', () =>
        origin.connections.every(({ gone }) => gone),
      );
    },
    { answer: () => 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n' },
  );
});

test('response splitting by an upstream', async () => {
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong';
  const script: Script = {
    answer: request =>
      request.target === '/split' ? `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}` : echo(request),
  };
  await withOrigin(async proxy => {
    const client = await RawClient.open(proxy.port);
    // The second request arrives before the first gets its response, so it could take the same upstream connection at once.
    client.send(`GET /split HTTP/1.1\r\n${host}\r\nGET /next HTTP/1.1\r\n${host}\r\n`);
    const [first, next] = await client.responses('GET', 'GET');
    assert.equal([first?.body, next?.body], ['ok', echoed('GET /next HTTP/1.1')]);
    client.close();
  }, script);
});

test('response splitting into the request of another, waiting client', async () => {
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong';
  const origin = await ScriptedOrigin.start({
    answer(request) {
      if (request.target !== '/split') return echo(request);
      setTimeout(
        () => request.connection.send(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${second}`),
        30,
      );
      return undefined;
    },
  });
  const proxy = await startProxy({
    upstreams: [origin.url],
    settings: { limits: { upstreamConnections: 1 } },
  });
  const [first, other] = await Promise.all([
    ask(proxy, `GET /split HTTP/1.1\r\n${host}\r\n`),
    ask(proxy, `GET /other HTTP/1.1\r\n${host}\r\n`),
  ]);
  assert.equal([first.body, other.body], ['ok', echoed('GET /other HTTP/1.1')]);
  proxy.close();
  await origin.close();
});

test('confusion of path and host by an absolute target', async () => {
  await withOrigin(async (proxy, origin) => {
    await ask(proxy, `GET http://b.test/%2e%2e/x?y HTTP/1.1\r\n${host}\r\n`);
    const [request] = origin.requests;
    assert.is(request?.line, 'GET /%2e%2e/x?y HTTP/1.1');
    assert.equal(request && valuesOf(request, 'host'), ['b.test']);
    assert.equal(request && valuesOf(request, 'x-forwarded-host'), ['b.test']);
    for (const target of [
      'http://a.test@b.test/',
      'http://b.test\\@a.test/',
      '//b.test@a.test\\',
      'http:b.test',
      'file:///etc/passwd',
      'unix:/x|http://b.test/',
    ]) {
      assert.is(statusOf(await ask(proxy, `GET ${target} HTTP/1.1\r\n${host}\r\n`)), 400, target);
    }
    assert.is(origin.requests.length, 1);
  });
});

test('bodies are never decompressed', async () => {
  // A bomb of 1 GB of zeros in 1 MB: it is passed on unchanged.
  const bomb = '\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03not even gzip';
  await withOrigin(
    async proxy => {
      const response = await ask(proxy, `GET / HTTP/1.1\r\n${host}Accept-Encoding: gzip\r\n\r\n`);
      assert.is(response.body, bomb);
      assert.equal(valuesOf(response, 'content-encoding'), ['gzip']);
    },
    {
      answer: () =>
        `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${bomb.length}\r\n\r\n${bomb}`,
    },
  );
});

test('a proxy that loops to itself ends the loop', async () => {
  const proxy = await startProxy();
  proxy.pools.default.set(upstreamRecord(`http://127.0.0.1:${proxy.port}`));
  assert.is(statusOf(await ask(proxy, `GET / HTTP/1.1\r\n${host}\r\n`)), 508);
  assert.ok(proxy.listener.connections < 20);
  proxy.close();
});

test('Date is added if the upstream sent none, and kept otherwise', async () => {
  const script: Script = {
    answer: ({ target }) =>
      `HTTP/1.1 200 OK\r\n${target === '/dated' ? 'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n' : ''}Content-Length: 0\r\n\r\n`,
  };
  await withOrigin(async proxy => {
    const dated = await ask(proxy, `GET /dated HTTP/1.1\r\n${host}\r\n`);
    assert.equal(valuesOf(dated, 'date'), ['Thu, 01 Jan 2026 00:00:00 GMT']);
    const [date = ''] = valuesOf(await ask(proxy, `GET / HTTP/1.1\r\n${host}\r\n`), 'date');
    assert.match(date, /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date) - Date.now()) < 5_000);
  }, script);
});

test('Weldr replies to a Max-Forwards of 0, for OPTIONS and, if it is proxied, TRACE', async () => {
  const origin = await ScriptedOrigin.start();
  const proxy = await startProxy({ upstreams: [origin.url], settings: { trace: true } });
  const options = await ask(proxy, `OPTIONS / HTTP/1.1\r\n${host}Max-Forwards: 0\r\n\r\n`);
  assert.equal([statusOf(options), options.body], [200, '']);
  const trace = await ask(proxy, `TRACE /x HTTP/1.1\r\n${host}Max-Forwards: 0\r\nCookie: secret\r\n\r\n`);
  assert.equal(valuesOf(trace, 'content-type'), ['message/http']);
  assert.match(trace.body, 'TRACE /x HTTP/1.1\r\n');
  assert.not.match(trace.body, 'secret');
  assert.is(origin.requests.length, 0);
  await ask(proxy, `TRACE /x HTTP/1.1\r\n${host}Max-Forwards: 1\r\n\r\n`);
  const [passed] = origin.requests;
  assert.equal(passed && valuesOf(passed, 'max-forwards'), ['0']);
  assert.is(statusOf(await ask(proxy, `TRACE /x HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\nx`)), 400);
  proxy.close();
  await origin.close();
});
