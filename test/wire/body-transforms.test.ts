// Body transforms: how plugins change the bodies of requests, responses and replies, and what a failure affects.
import { Duplex, PassThrough, Transform } from 'node:stream';
import { createGunzip, createGzip, gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import type { ProxyContext } from '../../core/request/context.ts';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import type { SettingsInput } from '../../core/settings/settings.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { type Answer, echo, ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';

interface Ends {
  readonly client: RawClient;
  readonly origin: ScriptedOrigin;
  readonly proxy: TestProxy;
}

interface Setup {
  readonly tap: (hooks: RequestHooks) => void;
  readonly answer?: Answer;
  readonly settings?: SettingsInput;
  readonly upstreams?: readonly string[];
}

/** Runs `use` between a client and an origin, and checks that nothing is in flight afterwards. */
async function between(setup: Setup, use: (ends: Ends) => Promise<void>): Promise<void> {
  const { tap, answer, settings = {}, upstreams = [] } = setup;
  const origin = await ScriptedOrigin.start(answer === undefined ? {} : { answer });
  const proxy = await startProxy({ upstreams: [...upstreams, origin.url], tap, settings });
  const client = await RawClient.open(proxy.port);
  try {
    await use({ client, origin, proxy });
    client.close();
    const busy = () => [...proxy.pools.default].reduce((all, { inFlight }) => all + inFlight, 0);
    await until('all requests to be over', () => busy() === 0);
  } finally {
    client.close();
    proxy.close();
    await origin.close();
  }
}

const onRequest = (make: (ctx: ProxyContext) => Duplex) => (hooks: RequestHooks) =>
  hooks.request.tap('transformer', ctx => {
    ctx.transformRequest(() => make(ctx));
    return undefined;
  });
const onResponse = (make: () => Duplex) => (hooks: RequestHooks) =>
  hooks.postProxy.tap('transformer', ctx => {
    ctx.transformResponse(make);
    return undefined;
  });

/** A transform of each chunk as text. */
const mapping = (map: (text: string) => string): Transform =>
  new Transform({
    transform(chunk: Buffer, _, done) {
      done(null, map(chunk.toString('latin1')));
    },
  });
const upper = (): Transform => mapping(text => text.toUpperCase());
const doubled = (): Transform => mapping(text => text + text);

const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = (body: string, ...fields: string[]): string =>
  ['POST / HTTP/1.1', 'Host: a.test', `Content-Length: ${body.length}`, ...fields, '', body].join('\r\n');

/** The parts of a response that tests check. */
const seen = (message: Message) => ({
  status: statusOf(message),
  framing: message.framing,
  body: message.body,
});

const requests = suite('transforms of request bodies');

requests('change the bytes, in the order of the calls, and send them in chunks', async () => {
  const tap = (hooks: RequestHooks) => {
    onRequest(upper)(hooks);
    onRequest(() => mapping(text => `${text}b`))(hooks);
  };
  await between({ tap }, async ({ client, origin }) => {
    client.send(post('a') + post('c'));
    const [first, second] = await client.responses('POST', 'POST');
    assert.equal([first?.body, second?.body], ['[POST / HTTP/1.1|Ab]', '[POST / HTTP/1.1|Cb]']);
    for (const request of origin.requests) {
      assert.is(request.framing, 'chunked');
      assert.equal(valuesOf(request, 'content-length'), []);
    }
  });
});

requests('are not created without a body', async () => {
  let made = 0;
  const tap = onRequest(() => {
    made++;
    return upper();
  });
  await between({ tap }, async ({ client, origin }) => {
    client.send(`${get}POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n`);
    await client.responses('GET', 'POST');
    assert.equal([made, origin.requests.map(({ framing }) => framing)], [0, ['none', 'length']]);
  });
});

requests('receive chunked bodies, and those that arrive in pieces', async () => {
  await between({ tap: onRequest(upper) }, async ({ client }) => {
    await client.sendPieces([
      'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n',
      '2\r\nab\r\n',
      '1\r\nc\r\n',
      '0\r\n\r\n',
    ]);
    assert.match((await client.response('POST')).body, '|ABC]');
  });
});

requests('begin with the original bytes in each attempt', async () => {
  let made = 0;
  let attempts = 0;
  const tap = (hooks: RequestHooks) => {
    onRequest(() => {
      made++;
      return doubled();
    })(hooks);
    hooks.judge.tap('again', ctx => (ctx.status === 503 ? retry : undefined));
  };
  const answer: Answer = request =>
    attempts++ === 0 ? 'HTTP/1.1 503 Try Again\r\nContent-Length: 0\r\n\r\n' : echo(request);
  await between({ tap, answer }, async ({ client, origin }) => {
    client.send(post('abc'));
    assert.match((await client.response('POST')).body, '|abcabc]');
    assert.equal([made, origin.requests.map(({ body }) => body)], [2, ['abcabc', 'abcabc']]);
  });
});

requests('hold the client back while the upstream does not read', async () => {
  const bytes = 30_000_000;
  await between({ tap: onRequest(() => new PassThrough()), answer: () => undefined }, async ends => {
    const { client, origin } = ends;
    client.send(`POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${bytes}\r\n\r\n`);
    await until('the origin to be there', () => origin.connections.length === 1);
    origin.connections[0]?.socket.pause();
    for (let n = 0; n < 30; n++) client.send(Buffer.alloc(bytes / 30, 'x'));
    let before = -1;
    // While bytes move, they may still be filling the system's buffers.
    await client.until('the client to be held back', () => {
      const now = client.socket.bytesWritten - client.socket.writableLength;
      const isStill = now === before;
      before = now;
      return isStill;
    });
    assert.ok(client.socket.writableLength > bytes / 2, `${client.socket.writableLength} bytes wait`);
    origin.connections[0]?.socket.resume();
    client.reset();
  });
});

requests('may end before their input, the rest of which is dropped', async () => {
  const first = () =>
    new Transform({
      transform(chunk: Buffer, _, done) {
        if (!this.readableEnded) this.push(chunk.subarray(0, 1));
        this.push(null);
        done();
      },
    });
  await between({ tap: onRequest(first) }, async ({ client, origin }) => {
    await client.sendPieces(['POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\n', 'abc']);
    await until('the request to be whole', () => origin.requests.length === 1);
    assert.is(origin.requests[0]?.body, 'a');
  });
});

requests('wait for the body of a request with Expect: 100-continue', async () => {
  await between({ tap: onRequest(upper) }, async ({ client, origin }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n');
    await until('the head', () => origin.connections[0]?.raw.endsWith('\r\n\r\n') === true);
    origin.connections[0]?.send('HTTP/1.1 100 Continue\r\n\r\n');
    await client.until('the interim response', () => client.text.includes(' 100 '));
    client.send('abc');
    assert.match((await client.response('POST')).body, '|ABC]');
  });
});

requests('are destroyed when the client leaves', async () => {
  const made: Duplex[] = [];
  const tap = onRequest(() => {
    const stream = new PassThrough();
    made.push(stream);
    return stream;
  });
  await between({ tap }, async ({ client }) => {
    client.send('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nabc');
    await until('a transform', () => made.length === 1);
    client.reset();
    await until('it to be destroyed', () => made.every(({ destroyed }) => destroyed));
  });
});

const responses = suite('transforms of response bodies');

responses('change the bytes, in the order of the calls, and send them in chunks', async () => {
  const tap = (hooks: RequestHooks) => {
    onResponse(upper)(hooks);
    onResponse(() => mapping(text => `${text}b`))(hooks);
  };
  await between({ tap, answer: () => ok('a', 'X-More: 1') }, async ({ client }) => {
    client.send(get + get);
    for (const message of await client.responses('GET', 'GET')) {
      assert.equal(seen(message), { status: 200, framing: 'chunked', body: 'Ab' });
      assert.equal(valuesOf(message, 'x-more'), ['1']);
    }
  });
});

responses('flush once', async () => {
  const make = () =>
    new Transform({
      transform: (chunk, _, done) => done(null, chunk),
      flush: done => done(null, '!'),
    });
  await between({ tap: onResponse(make), answer: () => ok('abc') }, async ({ client }) => {
    client.send(get);
    assert.is((await client.response()).body, 'abc!');
  });
});

responses('receive chunked bodies, and those that end with their connection', async () => {
  const chunked =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nX-T: 1\r\n\r\n';
  await between({ tap: onResponse(upper), answer: () => chunked }, async ({ client }) => {
    client.send(get);
    assert.is((await client.response()).body, 'ABC');
  });
  const closing: Answer = ({ connection }) => {
    connection.end('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc');
    return undefined;
  };
  await between({ tap: onResponse(upper), answer: closing }, async ({ client }) => {
    client.send(get);
    assert.equal(seen(await client.response()), { status: 200, framing: 'chunked', body: 'ABC' });
  });
});

responses('end with the connection for an HTTP/1.0 client', async () => {
  await between({ tap: onResponse(doubled), answer: () => ok('abc') }, async ({ client }) => {
    client.send('GET / HTTP/1.0\r\n\r\n');
    await client.untilEnd();
    assert.equal(seen(await client.response()), { status: 200, framing: 'close', body: 'abcabc' });
  });
});

responses("apply to plugins' replies and error pages too", async () => {
  const tap = (hooks: RequestHooks) => {
    hooks.request.tap('replier', ctx => {
      ctx.transformResponse(upper);
      return ctx.request.path === '/reply' ? reply(403, 'no way') : undefined;
    });
    hooks.judge.tap('failing', () => {
      throw new Error('on purpose');
    });
  };
  await between({ tap }, async ({ client }) => {
    client.send(`GET /reply HTTP/1.1\r\nHost: a.test\r\n\r\n${get}`);
    const [replied, failed] = await client.responses('GET', 'GET');
    assert.is(replied?.body, 'NO WAY');
    assert.is(failed?.body, '500 A PLUGIN FAILED\n');
  });
});

for (const [name, method, answer] of [
  ['a response to HEAD', 'HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n'],
  ['a 204', 'GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['a 304', 'GET', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'],
  ['an empty response', 'GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
] as const) {
  responses(`are not created for ${name}, whose announced length is right`, async () => {
    let made = 0;
    const tap = onResponse(() => {
      made++;
      return doubled();
    });
    await between({ tap, answer: () => answer }, async ({ client }) => {
      const request = `${method} / HTTP/1.1\r\nHost: a.test\r\n\r\n`;
      client.send(request + request);
      for (const message of await client.responses(method, method)) {
        assert.is(message.body, '');
        assert.not.ok(valuesOf(message, 'content-length').includes('7'));
      }
      assert.is(made, 0);
    });
  });
}

responses('compress and decompress a megabyte', async () => {
  const text = Array.from({ length: 100_000 }, (_, n) => `${n} `).join('');
  await between({ tap: onResponse(() => createGzip()), answer: () => ok(text) }, async ({ client }) => {
    client.send(get);
    const { body } = await client.response();
    assert.is(gunzipSync(Buffer.from(body, 'latin1')).toString(), text);
  });
  const twice = (hooks: RequestHooks) => {
    onResponse(() => createGzip())(hooks);
    onResponse(() => createGunzip())(hooks);
  };
  await between({ tap: twice, answer: () => ok(text) }, async ({ client }) => {
    client.send(get);
    assert.is((await client.response()).body, text);
  });
});

responses('hold the upstream back while the client does not read', async () => {
  const bytes = 30_000_000;
  const answer: Answer = ({ connection }) => {
    connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    for (let n = 0; n < 30; n++) connection.send(Buffer.alloc(bytes / 30, 'x'));
    return undefined;
  };
  await between({ tap: onResponse(() => new PassThrough()), answer }, async ({ client, origin }) => {
    client.socket.pause();
    client.send(get);
    await until('the request', () => origin.requests.length === 1);
    const socket = origin.connections[0]?.socket;
    let before = -1;
    await client.until('the origin to be held back', () => {
      const now = socket?.writableLength ?? 0;
      const isStill = now === before;
      before = now;
      return isStill;
    });
    assert.ok((socket?.writableLength ?? 0) > bytes / 2, `${socket?.writableLength} bytes wait`);
    client.socket.resume();
    await client.until('all of it', () => client.size > bytes);
    await client.until('its end', () => client.text.endsWith('\r\n0\r\n\r\n'));
  });
});

responses('may end before their input, and the connection stays open', async () => {
  const first = () =>
    new Transform({
      transform(chunk: Buffer, _, done) {
        this.push(chunk.subarray(0, 1));
        this.push(null);
        done();
      },
    });
  const answer: Answer = ({ connection, target }) => {
    if (target === '/whole') return ok('whole');
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc');
    return undefined;
  };
  const tap = (hooks: RequestHooks) =>
    hooks.postProxy.tap('transformer', ctx => {
      if (ctx.request.target === '/') ctx.transformResponse(first);
      return undefined;
    });
  await between({ tap, answer }, async ({ client, origin }) => {
    client.send(get);
    assert.equal(seen(await client.response()), { status: 200, framing: 'chunked', body: 'a' });
    await until('the rest to be dropped', () => origin.connections[0]?.gone === true);
    client.send('GET /whole HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [, second] = await client.responses('GET', 'GET');
    assert.is(second?.body, 'whole');
  });
});

responses('are cut, and do not look complete, when the upstream is cut', async () => {
  const made: Duplex[] = [];
  const tap = onResponse(() => {
    const stream = upper();
    made.push(stream);
    return stream;
  });
  const answer: Answer = ({ connection }) => {
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
    setTimeout(() => connection.cut(), 50);
    return undefined;
  };
  await between({ tap, answer }, async ({ client }) => {
    client.send(get);
    const text = await client.untilEnd();
    assert.not.match(text, '\r\n0\r\n\r\n');
    assert.ok(made.every(({ destroyed }) => destroyed));
  });
});

responses('are destroyed when the client leaves', async () => {
  const made: Duplex[] = [];
  const tap = onResponse(() => {
    const stream = upper();
    made.push(stream);
    return stream;
  });
  const answer: Answer = ({ connection }) => {
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
    return undefined;
  };
  await between({ tap, answer }, async ({ client, origin }) => {
    client.send(get);
    await client.until('the beginning', () => client.text.includes('ABC'));
    client.reset();
    await until('it to be destroyed', () => made.every(({ destroyed }) => destroyed));
    await until('the upstream connection to be closed', () => origin.connections[0]?.gone === true);
  });
});

responses('do not apply to a protocol switch', async () => {
  const answer: Answer = () =>
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\nhello';
  await between({ tap: onResponse(upper), answer }, async ({ client }) => {
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n');
    await client.until('the tunnel', () => client.text.endsWith('\r\n\r\nhello'));
  });
});

// --- transforms that fail ---------------------------------------------------------------------------------

const throws = (): never => {
  throw new Error('on purpose');
};

/** Each way in which a transform can fail; `late`: after it has passed something on. */
const failures: readonly { readonly how: string; readonly make: () => Duplex }[] = [
  { how: 'whose factory throws', make: throws },
  { how: 'whose factory returns no stream', make: () => JSON.parse('{}') },
  { how: 'which throws', make: () => new Transform({ transform: throws }) },
  {
    how: 'which throws at the end',
    make: () => new Transform({ transform: (chunk, _, done) => done(null, chunk), flush: throws }),
  },
  {
    how: 'which rejects',
    make: () => {
      const stream = new Transform();
      stream._transform = async () => throws();
      return stream;
    },
  },
  {
    how: 'which fails',
    make: () => new Transform({ transform: (_, __, done) => done(new Error('on purpose')) }),
  },
  {
    how: 'which is closed',
    make: () =>
      new Transform({
        transform() {
          this.destroy();
        },
      }),
  },
  {
    how: 'which emits something other than bytes',
    make: () =>
      new Transform({ readableObjectMode: true, transform: (_, __, done) => done(null, { not: 'bytes' }) }),
  },
  {
    how: 'whose generator throws',
    make: () =>
      Duplex.from(async function* (chunks: AsyncIterable<Buffer>) {
        for await (const _ of chunks) yield throws();
      }),
  },
  { how: 'which never continues', make: () => new Transform({ transform() {} }) },
  {
    how: 'which never ends',
    make: () => new Transform({ transform: (chunk, _, done) => done(null, chunk), flush() {} }),
  },
];

const places = [
  { where: 'alone', others: [] },
  { where: 'between others', others: [() => new PassThrough()] },
];

for (const { how, make, where, others } of failures.flatMap(one =>
  places.map(place => ({ ...one, ...place })),
)) {
  requests(`${how}, ${where}, cost their request, and nothing else`, async () => {
    let made = 0;
    const tap = (hooks: RequestHooks) => {
      for (const other of others) onRequest(other)(hooks);
      onRequest(() => (made++ === 0 ? make() : upper()))(hooks);
      for (const other of others) onRequest(other)(hooks);
    };
    const settings = { timeouts: { stage: '300ms' } };
    await between({ tap, settings }, async ({ client, proxy }) => {
      client.send(post('abc'));
      const failed = await client.response('POST');
      assert.is(statusOf(failed), 500);
      assert.ok(
        proxy.log.some(({ msg, stage }) => `${msg} ${stage}`.includes('transform')),
        JSON.stringify(proxy.log),
      );
      const other = await RawClient.open(proxy.port);
      other.send(post('abc'));
      assert.match((await other.response('POST')).body, '|ABC]');
      other.close();
    });
  });

  responses(`${how}, ${where}, cost their request, and nothing else`, async () => {
    let made = 0;
    const tap = (hooks: RequestHooks) => {
      for (const other of others) onResponse(other)(hooks);
      onResponse(() => (made++ === 0 ? make() : upper()))(hooks);
      for (const other of others) onResponse(other)(hooks);
    };
    const settings = { timeouts: { stage: '300ms' } };
    await between({ tap, settings, answer: () => ok('abc') }, async ({ client, proxy }) => {
      client.send(get);
      await client.until('an end', () => client.ended || / 500 /.test(client.text));
      // No client may take it for complete.
      assert.not.match(client.text, /^HTTP\/1\.1 200 [\s\S]*\r\n0\r\n\r\n$/);
      assert.ok(
        proxy.log.some(({ msg, stage }) => `${msg} ${stage}`.includes('transform')),
        JSON.stringify(proxy.log),
      );
      const other = await RawClient.open(proxy.port);
      other.send(get);
      assert.is((await other.response()).body, 'ABC');
      other.close();
    });
  });
}
