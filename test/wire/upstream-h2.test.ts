// HTTP/2 to upstreams, from HTTP/1.1 and HTTP/2 clients. The origins are node:http2, over TLS and without.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import {
  type ClientHttp2Session,
  connect,
  constants,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
} from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { UpstreamInput } from '../../core/testing/pool.ts';
import { certificate } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { bodyOf, H2Origin, type H2OriginOptions } from './support/h2-origin.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';

const test = suite('HTTP/2 to upstreams');

type Answer = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: H2Origin;
  readonly agent: Agent;
  readonly session: ClientHttp2Session;
}

/** The URL and settings for an origin. */
const ways = {
  h2c: { origin: {}, upstream: (url: string): UpstreamInput => url },
  tls: {
    origin: { tls: true },
    upstream: (url: string): UpstreamInput => ({ url, tls: { ca: certificate } }),
  },
} as const satisfies Record<string, { origin: H2OriginOptions; upstream: (url: string) => UpstreamInput }>;

async function between(
  answer: Answer,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions & { readonly way?: keyof typeof ways; readonly server?: H2OriginOptions } = {},
): Promise<void> {
  const way = ways[options.way ?? 'h2c'];
  const origin = await H2Origin.start(answer, { ...way.origin, ...options.server });
  const proxy = await startProxy({ upstreams: [way.upstream(origin.url)], http2: true, ...options });
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const session = connect(`http://127.0.0.1:${proxy.port}`);
  session.on('error', () => {});
  try {
    await use({ proxy, origin, agent, session });
  } finally {
    session.destroy();
    agent.destroy();
    proxy.close();
    await origin.close();
  }
}

interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

/** A request over HTTP/1.1. */
async function byHttp1(
  { proxy, agent }: Ends,
  options: RequestOptions = {},
  body?: string | Buffer,
): Promise<Seen> {
  const outgoing = httpRequest({ port: proxy.port, host: '127.0.0.1', agent, ...options });
  outgoing.end(body);
  const [response]: [IncomingMessage] = (await once(outgoing, 'response')) as [IncomingMessage];
  const bytes = await bodyOf(response);
  const { statusCode: status = 0, headers, trailers } = response;
  return { status, headers, body: bytes, trailers };
}

/** A request over HTTP/2. */
async function byHttp2({ session }: Ends, headers: object = {}, body?: string | Buffer): Promise<Seen> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', given => {
    trailers = given;
  });
  const [head] = await once(stream, 'response');
  const bytes = await bodyOf(stream);
  return { status: Number(head[':status']), headers: head, body: bytes, trailers };
}

const echo: Answer = (request, response) => {
  response.setHeader('x-method', request.method);
  request.pipe(response);
};

for (const way of ['h2c', 'tls'] as const) {
  test(`a request and its response are translated between both protocols: ${way}`, async () => {
    const seen: IncomingHttpHeaders[] = [];
    const answer: Answer = (request, response) => {
      seen.push(request.headers);
      response.writeHead(200, { 'x-answer': 'Yes', 'set-cookie': ['a=1', 'b=2'] });
      response.end('hello');
    };
    await between(
      answer,
      async ends => {
        const headers = {
          Host: 'shop.test',
          Cookie: 'a=1; b=2',
          Connection: 'keep-alive, X-Hop',
          'X-Hop': '1',
        };
        const one = await byHttp1(ends, { path: '/a?b=c', headers });
        assert.equal([one.status, String(one.body), one.headers['x-answer']], [200, 'hello', 'Yes']);
        assert.equal(one.headers['set-cookie'], ['a=1', 'b=2']);
        const two = await byHttp2(ends, { ':path': '/a?b=c', ':authority': 'shop.test', te: 'trailers' });
        assert.equal([two.status, String(two.body)], [200, 'hello']);
        const [first = {}, second = {}] = seen;
        assert.equal(
          [first[':method'], first[':path'], first[':authority'], first[':scheme'], first.cookie, first.host],
          ['GET', '/a?b=c', 'shop.test', way === 'tls' ? 'https' : 'http', 'a=1; b=2', undefined],
        );
        assert.equal([first['x-hop'], first.connection, first['te']], [undefined, undefined, undefined]);
        assert.equal([first.via, first['x-forwarded-for']], ['1.1 weldr', '127.0.0.1']);
        assert.equal([second['te'], second.via], ['trailers', '2.0 weldr']);
        assert.is(ends.origin.sessions.length, 1);
      },
      { way },
    );
  });

  for (const size of [0, 1, 65_535, 65_536, 65_537, 8_000_000]) {
    test(`a body of ${size} bytes goes both ways, from both protocols: ${way}`, async () => {
      const bytes = Buffer.alloc(size, 'abcdefghij');
      await between(
        echo,
        async ends => {
          const [one, two] = await Promise.all([
            byHttp1(ends, { method: 'POST', path: '/' }, bytes),
            byHttp2(ends, { ':method': 'POST' }, bytes),
          ]);
          for (const { status, body } of [one, two]) {
            assert.equal([status, body.length, body.equals(bytes)], [200, size, true]);
          }
        },
        { way },
      );
    });
  }

  test(`many requests share a connection: ${way}`, async () => {
    let open = 0;
    let most = 0;
    const answer: Answer = (_, response) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        response.end('ok');
      }, 20);
    };
    await between(
      answer,
      async ends => {
        for (let round = 0; round < 2; round++) {
          const all = await Promise.all(Array.from({ length: 40 }, () => byHttp1(ends)));
          assert.ok(all.every(({ status }) => status === 200));
        }
        assert.is(ends.origin.connections, 1);
        assert.ok(most > 20, `${most} at once`);
      },
      { way },
    );
  });
}

test('an https:// server that chooses HTTP/1.1 gets a connection for each request at once', async () => {
  const answer: Answer = (_, response) => void setTimeout(() => response.end('one'), 20);
  await between(
    answer,
    async ends => {
      assert.is((await byHttp1(ends)).status, 200);
      const all = await Promise.all(Array.from({ length: 10 }, () => byHttp1(ends)));
      assert.ok(all.every(({ status }) => status === 200));
      assert.ok(ends.origin.connections >= 5, `${ends.origin.connections} connections`);
      assert.is(ends.origin.sessions.length, 0);
      // They are kept.
      const before = ends.origin.connections;
      assert.is((await byHttp1(ends)).status, 200);
      assert.is(ends.origin.connections, before);
    },
    { way: 'tls', server: { offers: 'http/1.1' } },
  );
});

test('a first burst to an https:// server that chooses HTTP/1.1 is served', async () => {
  const answer: Answer = (_, response) => void response.end('one');
  await between(
    answer,
    async ends => {
      const all = await Promise.all(Array.from({ length: 20 }, () => byHttp1(ends)));
      assert.ok(all.every(({ status }) => status === 200));
    },
    { way: 'tls', server: { offers: 'http/1.1' } },
  );
});

test('http2: false uses only HTTP/1.1, and http2: true does not accept it', async () => {
  const answer: Answer = (request, response) => void response.end(request.httpVersion);
  const server = { offers: 'both' } as const;
  await between(
    answer,
    async ends => {
      assert.is(String((await byHttp1(ends)).body), '2.0');
      const [upstream] = ends.proxy.pools.default.available;
      assert.ok(upstream);
      ends.proxy.pools.default.set({ ...upstream.record, http2: false });
      assert.is(String((await byHttp1(ends)).body), '1.1');
      ends.proxy.pools.default.set({ ...upstream.record, http2: true });
      assert.is(String((await byHttp1(ends)).body), '2.0');
    },
    { way: 'tls', server },
  );
  await between(
    answer,
    async ends => {
      const [upstream] = ends.proxy.pools.default.available;
      assert.ok(upstream);
      ends.proxy.pools.default.set({ ...upstream.record, http2: true });
      const { status } = await byHttp1(ends);
      assert.is(status, 502);
      assert.match(JSON.stringify(ends.proxy.log), /https:\S+ does not speak HTTP\/2, which http2: true/);
    },
    { way: 'tls', server: { offers: 'http/1.1' } },
  );
});

test('http2: true speaks HTTP/2 at once with an http:// server', async () => {
  const origin = await H2Origin.start(echo);
  const url = origin.url.replace('h2c:', 'http:');
  const proxy = await startProxy({ upstreams: [{ url, http2: true }] });
  const agent = new Agent();
  try {
    const outgoing = httpRequest({ port: proxy.port, host: '127.0.0.1', agent, method: 'POST' });
    outgoing.end('text');
    const [response] = await once(outgoing, 'response');
    assert.is(String(await bodyOf(response)), 'text');
  } finally {
    agent.destroy();
    proxy.close();
    await origin.close();
  }
});

test('http2: true speaks HTTP/2 over a unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weldr-h2-'));
  const path = join(folder, 'app.sock');
  const origin = await H2Origin.start((request, response) => response.end(request.authority), { path });
  const proxy = await startProxy({ upstreams: [{ url: `unix:${path}`, http2: true }] });
  const client = await RawClient.open(proxy.port);
  try {
    client.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n');
    await until('the answer', () => client.text.includes('shop.test'));
    assert.is(origin.sessions.length, 1);
  } finally {
    client.socket.destroy();
    proxy.close();
    await origin.close();
    await rm(folder, { recursive: true });
  }
});

test('ten thousand small messages go each way on one stream, as gRPC sends them', async () => {
  await between(echo, async ends => {
    const stream = ends.session.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
    let received = 0;
    stream.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    const message = Buffer.alloc(20, 'm');
    for (let n = 0; n < 10_000; n++) {
      if (!stream.write(message)) await once(stream, 'drain');
    }
    stream.end();
    await once(stream, 'end');
    assert.is(received, 200_000);
    assert.is(ends.origin.connections, 1);
  });
});

test('trailers go both ways between both protocols', async () => {
  const got: IncomingHttpHeaders[] = [];
  const answer: Answer = (request, response) => {
    request.on('end', () => {
      got.push(request.trailers);
      response.addTrailers({ 'x-sum': 'abc', 'content-length': '9' });
      response.end('done');
    });
    request.resume();
  };
  await between(answer, async ends => {
    const two = await byHttp2(ends, { ':method': 'POST' }, 'text');
    assert.equal([String(two.body), two.trailers['x-sum']], ['done', 'abc']);
    assert.is(two.trailers['content-length'], undefined);
    const client = await RawClient.open(ends.proxy.port);
    client.send(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n' +
        '4\r\ntext\r\n0\r\nX-Req: yes\r\n\r\n',
    );
    await until('the answer', () => client.text.endsWith('\r\n\r\n') && client.text.includes('\r\n0\r\n'));
    assert.match(client.text, /done\r\n0\r\nx-sum: abc\r\n\r\n$/);
    assert.is(got[1]?.['x-req'], 'yes');
    const stream = ends.session.request(
      { ':path': '/', ':method': 'POST' },
      { waitForTrailers: true, endStream: false },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-req': 'h2' }));
    stream.end('text');
    await bodyOf(stream);
    assert.is(got[2]?.['x-req'], 'h2');
  });
});

test('trailers after a body of known length do not become bytes of the next response', async () => {
  const answer: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': '4' });
    response.addTrailers({ 'x-sum': 'abc' });
    response.end('done');
  };
  await between(answer, async ends => {
    const client = await RawClient.open(ends.proxy.port);
    for (let n = 1; n <= 2; n++) {
      client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await until('the answer', () => client.text.split('\r\n\r\ndone').length === n + 1);
    }
    assert.match(client.text, /\r\n\r\ndoneHTTP\/1\.1 200 OK\r\n[^\0]*\r\n\r\ndone$/);
    client.socket.destroy();
  });
});

test('a trailers-only response stays a head that ends the stream, without a length', async () => {
  const answer: Answer = (_, response) => {
    response.stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true });
  };
  await between(answer, async ends => {
    const stream = ends.session.request({ ':path': '/', ':method': 'POST' }, { endStream: true });
    const [head, flags] = await once(stream, 'response');
    assert.equal([head['grpc-status'], head['content-length']], ['5', undefined]);
    assert.ok((Number(flags) & constants.NGHTTP2_FLAG_END_STREAM) !== 0);
    stream.close();
    const one = await byHttp1(ends);
    assert.equal([one.status, one.headers['grpc-status'], one.headers['content-length']], [200, '5', '0']);
  });
});

test('HEAD, 204 and 304 have no body, and the connection stays open', async () => {
  const answer: Answer = (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': '500' });
    else response.writeHead(Number(request.url.slice(1)));
    response.end();
  };
  await between(answer, async ends => {
    const head = await byHttp1(ends, { method: 'HEAD' });
    assert.equal([head.status, head.headers['content-length'], head.body.length], [200, '500', 0]);
    assert.is((await byHttp1(ends, { path: '/204' })).status, 204);
    assert.is((await byHttp2(ends, { ':path': '/304' })).status, 304);
    assert.is((await byHttp2(ends, { ':method': 'HEAD' })).headers['content-length'], '500');
    assert.is(ends.origin.connections, 1);
  });
});

test('100 Continue and 103 are passed on to the client', async () => {
  const answer: Answer = (request, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    request.pipe(response);
  };
  await between(answer, async ends => {
    const outgoing = httpRequest({
      port: ends.proxy.port,
      method: 'POST',
      headers: { Expect: '100-continue', 'Content-Length': '4' },
    });
    const hints: unknown[] = [];
    outgoing.on('information', info => hints.push(info.statusCode));
    outgoing.flushHeaders();
    await once(outgoing, 'continue');
    outgoing.end('text');
    const [response] = await once(outgoing, 'response');
    assert.is(String(await bodyOf(response)), 'text');
    assert.ok(hints.includes(103));
  });
});

test('a slow reader of one response does not hold up the others', async () => {
  const large = Buffer.alloc(4_000_000, 'x');
  const answer: Answer = (request, response) => void response.end(request.url === '/large' ? large : 'small');
  await between(answer, async ends => {
    const slow = ends.session.request({ ':path': '/large' });
    await once(slow, 'response');
    slow.pause();
    const raw = await RawClient.open(ends.proxy.port);
    raw.socket.pause();
    raw.send('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    for (let n = 0; n < 20; n++) assert.is(String((await byHttp1(ends)).body), 'small');
    assert.is((await bodyOf(slow)).length, large.length);
    raw.socket.resume();
    await until('the rest', () => raw.size > large.length);
    assert.is(ends.origin.connections, 1);
    raw.socket.destroy();
  });
});

test('a client that leaves gets its stream cancelled, and the connection stays open', async () => {
  let aborted = 0;
  const answer: Answer = (request, response) => {
    request.on('aborted', () => aborted++);
    if (request.url === '/wait') response.write('some');
    else response.end('ok');
  };
  await between(answer, async ends => {
    for (let n = 0; n < 5; n++) {
      const stream = ends.session.request({ ':path': '/wait' });
      await once(stream, 'data');
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await until('the aborts', () => aborted === 5);
    assert.is((await byHttp1(ends)).status, 200);
    assert.is(ends.origin.connections, 1);
  });
});

test('a response before the end of the request is passed on, and the upload is cancelled', async () => {
  const answer: Answer = (_, response) => {
    response.writeHead(413);
    response.end('too large');
  };
  await between(answer, async ends => {
    const stream = ends.session.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
    stream.write('begin');
    const [head] = await once(stream, 'response');
    assert.is(head[':status'], 413);
    assert.is(String(await bodyOf(stream)), 'too large');
    stream.close();
    assert.is((await byHttp1(ends)).status, 413);
    assert.is(ends.origin.connections, 1);
  });
});

test('a connection never has more streams than the upstream allows', async () => {
  let open = 0;
  let most = 0;
  const answer: Answer = (_, response) => {
    most = Math.max(most, ++open);
    setTimeout(() => {
      open--;
      response.end('ok');
    }, 10);
  };
  await between(
    answer,
    async ends => {
      assert.is((await byHttp1(ends)).status, 200);
      const all = await Promise.all(Array.from({ length: 30 }, () => byHttp1(ends)));
      assert.ok(all.every(({ status }) => status === 200));
      assert.ok(ends.origin.connections >= 2 && ends.origin.connections <= 4);
      assert.ok(most <= 20);
    },
    {
      server: { settings: { maxConcurrentStreams: 5 } },
      settings: { limits: { upstreamConnections: 4 } },
    },
  );
});

test('a drained connection takes no more requests, and finishes those in flight', async () => {
  const waiting: Http2ServerResponse[] = [];
  const answer: Answer = (request, response) => {
    if (request.url === '/wait') waiting.push(response);
    else response.end('ok');
  };
  await between(answer, async ends => {
    const first = byHttp1(ends, { path: '/wait' });
    await until('the request', () => waiting.length === 1);
    ends.origin.sessions[0]?.goaway(0);
    while (ends.origin.connections < 2) assert.is((await byHttp1(ends)).status, 200);
    waiting[0]?.end('late');
    assert.is(String((await first).body), 'late');
  });
});

test('WebSocket to an https:// server uses HTTP/1.1, whatever else the server speaks', async () => {
  const answer: Answer = (request, response) => void response.end(request.httpVersion);
  await between(
    answer,
    async ends => {
      ends.origin.server.on('upgrade', (_, socket) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.pipe(socket);
      });
      assert.is(String((await byHttp1(ends)).body), '2.0');
      const client = await RawClient.open(ends.proxy.port);
      client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      await until('the switch', () => client.text.includes('\r\n\r\n'));
      client.send('ping');
      await until('the echo', () => client.text.endsWith('\r\n\r\nping'));
      client.socket.destroy();
      assert.is(String((await byHttp1(ends)).body), '2.0');
    },
    { way: 'tls', server: { offers: 'both' } },
  );
});
