// HTTP/2 to clients and HTTP/1.1 to servers, with node:http2 as the client, over TLS and without.
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import { reply } from '../../core/request/reply.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { get, H2Client, post } from './support/h2-client.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('HTTP/2 to clients');

const tls = readTls(
  listenerTls.parse({ certificates: [{ cert: certificate, key: privateKey }] }),
  'tls',
).material;

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: ScriptedOrigin;
  readonly session: ClientHttp2Session;
}

async function between(
  script: Script,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions & { readonly session?: object } = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  const proxy = await startProxy({ upstreams: [origin.url], http2: true, ...options });
  const scheme = options.tls === undefined ? 'http' : 'https';
  const session = connect(`${scheme}://127.0.0.1:${proxy.port}`, {
    rejectUnauthorized: false,
    ...options.session,
  });
  session.on('error', () => {});
  try {
    await use({ proxy, origin, session });
  } finally {
    session.destroy();
    proxy.close();
    await origin.close();
  }
}

interface Answer {
  readonly headers: IncomingHttpHeaders & { ':status'?: number };
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | undefined;
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let trailers: IncomingHttpHeaders | undefined;
  stream.on('trailers', given => {
    trailers = given;
  });
  const [headers] = await once(stream, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { headers, body: Buffer.concat(chunks), trailers };
}

const ask = async (
  session: ClientHttp2Session,
  headers: object = {},
  body?: string | Buffer,
): Promise<Answer> => {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return await answerOf(stream);
};

for (const material of [undefined, tls]) {
  const over = material === undefined ? 'without TLS' : 'over TLS';

  test(`a request and its response are translated between both protocols: ${over}`, async () => {
    const script: Script = {
      answer: () => ok('hello', 'X-Answer: Yes', 'Connection: keep-alive', 'Keep-Alive: timeout=5'),
    };
    await between(
      script,
      async ({ session, origin, proxy }) => {
        const { headers, body } = await ask(session, {
          ':path': '/a?b=c',
          ':authority': 'shop.test',
          cookie: ['a=1', 'b=2'],
          te: 'trailers',
          'x-mine': 'one',
        });
        assert.equal(
          [headers[':status'], String(body), headers['x-answer'], headers['content-length']],
          [200, 'hello', 'Yes', '5'],
        );
        assert.equal([headers.connection, headers['keep-alive']], [undefined, undefined]);
        assert.type(headers.date, 'string');
        const [request] = origin.requests;
        assert.is(request?.line, 'GET /a?b=c HTTP/1.1');
        const lines = request?.raw.toLowerCase().split('\r\n') ?? [];
        for (const line of ['host: shop.test', 'cookie: a=1; b=2', 'x-mine: one', 'via: 2.0 weldr']) {
          assert.ok(lines.includes(line), line);
        }
        assert.ok(lines.includes(`x-forwarded-proto: ${material === undefined ? 'http' : 'https'}`));
        assert.not.ok(lines.some(line => /^(te|connection|transfer-encoding|:)/.test(line)));
        assert.is(proxy.finished[0]?.request.version, '2.0');
      },
      { ...(material && { tls: material }) },
    );
  });

  test(`bodies of several megabytes go both ways on many streams at once: ${over}`, async () => {
    await between(
      { answer: ({ body }) => ok(body) },
      async ({ session }) => {
        const bodies = Array.from({ length: 10 }, (_, n) => Buffer.alloc(1_000_003, `${n}abc`));
        const answers = await Promise.all(
          bodies.map(body => ask(session, { ':method': 'POST', 'content-length': body.length }, body)),
        );
        for (const [n, { body }] of answers.entries()) assert.ok(bodies[n]?.equals(body), `stream ${n}`);
      },
      { ...(material && { tls: material }) },
    );
  });
}

test('HTTP/1.1 is served on the same port, with TLS and without', async () => {
  await between({ answer: () => ok('hello') }, async ({ proxy }) => {
    const client = await RawClient.open(proxy.port);
    client.send('P');
    await client.sendPieces(['OST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n']);
    assert.match((await client.response('POST')).body, 'hello');
    client.close();
  });
});

test('a body without a length is sent in chunks, even when it arrives in pieces', async () => {
  await between({ answer: ({ body }) => ok(`${body.length}`) }, async ({ session, origin }) => {
    const stream = session.request({ ':path': '/', ':method': 'POST' });
    for (const piece of ['one', 'two', 'three']) {
      stream.write(piece);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    stream.end();
    assert.is(String((await answerOf(stream)).body), '11');
    assert.match(origin.requests[0]?.raw ?? '', /transfer-encoding: chunked/i);
  });
});

test('trailers go both ways', async () => {
  const script: Script = {
    answer: () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n',
  };
  await between(script, async ({ session, origin }) => {
    const stream = session.request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true } as object);
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'a', 'content-length': '1' }));
    stream.end('body');
    const { body, trailers } = await answerOf(stream);
    assert.equal([String(body), trailers?.['x-sum']], ['hello', '7']);
    assert.match(origin.requests[0]?.raw ?? '', /\r\n0\r\nx-check: a\r\n\r\n$/);
  });
});

test('responses without a body end with their head: HEAD, 204, 304', async () => {
  const script: Script = {
    answer: ({ line }) =>
      line.startsWith('HEAD')
        ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
        : line.includes('/204')
          ? 'HTTP/1.1 204 No Content\r\n\r\n'
          : 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: "a"\r\n\r\n',
  };
  await between(script, async ({ session }) => {
    for (const [headers, status, length] of [
      [{ ':method': 'HEAD' }, 200, '5'],
      [{ ':path': '/204' }, 204, undefined],
      [{ ':path': '/304' }, 304, '7'],
    ] as const) {
      const answer = await ask(session, headers);
      assert.equal(
        [answer.headers[':status'], answer.body.length, answer.headers['content-length']],
        [status, 0, length],
      );
    }
  });
});

test('interim responses are passed on, and a client that waits for 100 gets it', async () => {
  const script: Script = {
    answer: ({ connection }) => {
      connection.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n');
      return ok('hello');
    },
  };
  await between(script, async ({ session }) => {
    const stream = session.request({ ':path': '/' });
    const hints: IncomingHttpHeaders[] = [];
    stream.on('headers', headers => void hints.push(headers));
    assert.is(String((await answerOf(stream)).body), 'hello');
    assert.equal(
      hints.map(hint => [hint[':status'], hint['link']]),
      [[103, '</a.css>']],
    );
  });
  await between({ continues: true, answer: ({ body }) => ok(body) } as Script, async ({ session }) => {
    const stream = session.request({
      ':path': '/',
      ':method': 'POST',
      expect: '100-continue',
      'content-length': '4',
    });
    const answered = answerOf(stream);
    stream.once('continue', () => stream.end('body'));
    setTimeout(() => stream.end('body'), 500);
    assert.is(String((await answered).body), 'body');
  });
});

test('a slow reader of one stream does not delay the others, and receives everything', async () => {
  const size = 3_000_000;
  const script: Script = { answer: ({ line }) => ok(line.includes('/large') ? 'x'.repeat(size) : 'small') };
  await between(script, async ({ session }) => {
    const slow = session.request({ ':path': '/large' });
    await once(slow, 'response');
    slow.pause();
    for (let n = 0; n < 50; n++) assert.is(String((await ask(session)).body), 'small');
    let received = 0;
    for await (const chunk of slow) received += chunk.length;
    assert.is(received, size);
  });
});

test('a request that its client cancels is cancelled at the server too', async () => {
  await between({ answer: () => undefined }, async ({ session, origin, proxy }) => {
    const stream = session.request({ ':path': '/' });
    stream.on('error', () => {});
    await until('the request', () => origin.requests.length === 1);
    stream.close(constants.NGHTTP2_CANCEL);
    await until(
      'its end',
      () =>
        origin.connections[0]?.socket.destroyed === true ||
        origin.connections[0]?.socket.readableEnded === true,
    );
    await until('the record', () => proxy.finished.length === 1);
    assert.is(proxy.finished[0]?.error?.code, 'CLIENT_CLOSED');
    assert.is(proxy.listener.activeRequests, 0);
  });
});

test('a response before the end of the body is passed on, and the rest is refused', async () => {
  const script: Script = { early: true, answer: () => undefined } as Script;
  await between(
    script,
    async ({ session }) => {
      const stream = session.request({ ':path': '/', ':method': 'POST' });
      stream.on('error', () => {});
      stream.write('x'.repeat(2000));
      const { headers } = await answerOf(stream);
      assert.is(headers[':status'], 413);
      assert.is(stream.rstCode, constants.NGHTTP2_NO_ERROR);
      assert.is(
        (await ask(session, { ':method': 'CONNECT', ':path': undefined, ':authority': 'a:1' })).headers[
          ':status'
        ],
        405,
      );
    },
    { settings: { limits: { body: 1000 } } },
  );
});

test('a body gets 413 as soon as it exceeds the limit of its request, and the connection stays open', async () => {
  await between(
    { answer: () => ok('hello') },
    async ({ session, origin }) => {
      for (const fields of [{}, { 'content-length': '2000' }]) {
        const stream = session.request({ ':path': '/', ':method': 'POST', ...fields });
        stream.on('error', () => {});
        stream.write('x'.repeat(2000));
        assert.is((await answerOf(stream)).headers[':status'], 413);
      }
      assert.is((await ask(session)).headers[':status'], 200);
      assert.is(origin.requests.length, 1);
    },
    {
      tap: ({ route }) =>
        route.tap('limit', ctx => {
          ctx.bodyLimit = 1000;
          return undefined;
        }),
    },
  );
});

test('a head over the limits gets an error response, and the connection stays open', async () => {
  await between(
    { answer: () => ok('hello') },
    async ({ session }) => {
      assert.is((await ask(session, { 'x-large': 'x'.repeat(5000) })).headers[':status'], 431);
      assert.is((await ask(session, { ':path': `/${'x'.repeat(1200)}` })).headers[':status'], 414);
      assert.is(String((await ask(session)).body), 'hello');
    },
    { settings: { limits: { headers: 4096, requestLine: 1024 } } },
  );
});

test('a failure becomes an error response, and a cut body a reset', async () => {
  const script: Script = {
    answer: ({ line, connection }) => {
      if (line.includes('/cut')) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
      connection.socket.destroySoon();
      return undefined;
    },
  };
  await between(script, async ({ session }) => {
    assert.is((await ask(session)).headers[':status'], 502);
    const stream = session.request({ ':path': '/cut' });
    stream.on('error', () => {});
    await once(stream, 'response');
    stream.resume();
    await new Promise(resolve => stream.once('close', resolve));
    assert.is(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
  });
});

test('a reply without a body ends its stream with its head', async () => {
  const answer = reply(308, '', { Location: 'https://shop.test/' });
  const tap: ProxyOptions['tap'] = hooks => hooks.request.tap('redirect', () => answer);
  await between(
    {},
    async ({ proxy }) => {
      const client = await H2Client.open(proxy.port);
      const { heads, dataFrames, ended } = await client.over(client.request(get()));
      assert.equal([heads.length, dataFrames, ended], [1, 0, true]);
      client.close();
    },
    { tap },
  );
});

test('a drain announces the last request, finishes those in flight, and closes', async () => {
  const script: Script = {
    answer: ({ connection }) => {
      setTimeout(() => connection.send(ok('late')), 200);
      return undefined;
    },
  };
  await between(script, async ({ session, proxy, origin }) => {
    const waiting = ask(session);
    await until('the request', () => origin.requests.length === 1);
    const goaway = once(session, 'goaway');
    const drained = proxy.listener.drain(5_000);
    assert.is(String((await waiting).body), 'late');
    const [code] = await goaway;
    assert.is(code, constants.NGHTTP2_NO_ERROR);
    await drained;
  });
});

test('streams that a client opens before it receives the GOAWAY do not harm earlier ones', async () => {
  const held: (() => void)[] = [];
  const origin = await ScriptedOrigin.start({
    answer: ({ connection }) => {
      held.push(() => connection.send(ok('late')));
      return undefined;
    },
  });
  const proxy = await startProxy({ upstreams: [origin.url], http2: true });
  const client = await H2Client.open(proxy.port);
  try {
    const [first, second] = [client.request(get()), client.request(get())];
    client.flush();
    await until('both requests', () => held.length === 2);
    const drained = proxy.listener.drain(5_000);
    held[0]?.();
    await client.over(first);
    await until('the GOAWAY', () => client.goAway !== undefined);
    const late = client.request(post(), 'open');
    client.writer.data(late, Buffer.from('body'), 0, 4, 'open');
    client.writer.windowUpdate(late, 10);
    client.writer.rstStream(late, 8);
    client.flush();
    const abandoned = client.request(post(), 'open');
    client.writer.data(abandoned, Buffer.from('body'), 0, 4, 'end');
    client.flush();
    client.writer.ping(Buffer.alloc(8), 'ask');
    client.flush();
    await until('the answer to the PING', () => client.pings === 1);
    held[1]?.();
    assert.is((await client.over(second)).body, 'late');
    assert.equal([client.goAway, client.lastStream], ['NO_ERROR', second]);
    await drained;
    assert.is(origin.requests.length, 2);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
});

test('trailers after a body of known length do not become bytes of the next request', async () => {
  await between({}, async ({ session, origin }) => {
    const stream = session.request(
      { ':path': '/', ':method': 'POST', 'content-length': '4' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }));
    stream.write('te');
    await new Promise(resolve => setImmediate(resolve));
    stream.end('xt');
    await answerOf(stream);
    await ask(session, { ':path': '/next' });
    assert.equal(
      origin.requests.map(({ line }) => line),
      ['POST / HTTP/1.1', 'GET /next HTTP/1.1'],
    );
    assert.not.match(origin.connections[0]?.raw ?? '', 'x-sum');
  });
});
