// Weldr's own responses to gRPC clients: errors, replies of plugins, and expired deadlines.
import { status as grpcStatus, Metadata } from '@grpc/grpc-js';
import * as assert from 'uvu/assert';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import { grpcClient, type Outcome, unary } from '../support/grpc.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { get, H2Client, post, type SeenStream } from './support/h2-client.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite("Weldr's own responses to gRPC");

async function withProxy(options: ProxyOptions, use: (proxy: TestProxy) => Promise<void>): Promise<void> {
  const proxy = await startProxy({ http2: true, ...options });
  try {
    await use(proxy);
  } finally {
    proxy.close();
  }
}

async function withOrigin(
  script: Script,
  options: ProxyOptions,
  use: (proxy: TestProxy, origin: ScriptedOrigin) => Promise<void>,
): Promise<void> {
  const origin = await ScriptedOrigin.start(script);
  try {
    await withProxy({ upstreams: [origin.url], ...options }, proxy => use(proxy, origin));
  } finally {
    await origin.close();
  }
}

/** The outcome of a call for a grpc-js client. */
async function callOf(proxy: TestProxy, message = Buffer.from('hi'), metadata?: Metadata): Promise<Outcome> {
  const client = grpcClient(proxy.port);
  try {
    return await unary(client, message, metadata && { metadata });
  } finally {
    client.close();
  }
}

type Fields = readonly (readonly [string, string])[];
const call = (...more: Fields): Fields => [...post(), ['content-type', 'application/grpc'], ...more];

/** The response to one request, frame by frame. */
async function framesOf(
  proxy: TestProxy,
  fields: Fields,
  ending: 'end' | 'open' = 'end',
): Promise<SeenStream> {
  const client = await H2Client.open(proxy.port);
  try {
    return await client.over(client.request(fields, ending));
  } finally {
    client.close();
  }
}

/** The fields of the first head. */
function headOf({ heads }: SeenStream): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const [head = []] = heads;
  for (let i = 0; i < head.length; i += 2) fields.set(head[i] ?? '', head[i + 1] ?? '');
  return fields;
}

test('if no server is up, a client gets UNAVAILABLE with a message; plugins and records see 503', async () => {
  const seen: (number | undefined)[] = [];
  const tap: ProxyOptions['tap'] = hooks =>
    hooks.respond.tap('look', ctx => void seen.push(ctx.response?.status));
  await withProxy({ tap }, async proxy => {
    const { status } = await callOf(proxy);
    assert.equal([status.code, status.details], [grpcStatus.UNAVAILABLE, 'no upstream is available']);
    await until('the record', () => proxy.finished.length === 1);
    assert.equal([seen, proxy.finished[0]?.response?.status], [[503], 503]);
    assert.is(proxy.finished[0]?.error?.code, 'NO_UPSTREAM');
  });
});

test('an error is one HEADERS frame that ends the stream', async () => {
  await withProxy({}, async proxy => {
    const seen = await framesOf(proxy, call());
    assert.equal([seen.heads.length, seen.dataFrames, seen.ended, seen.reset], [1, 0, true, undefined]);
    const head = headOf(seen);
    assert.equal(
      [...head.keys()].filter(key => key !== 'date'),
      [':status', 'retry-after', 'content-type', 'grpc-status', 'grpc-message'],
    );
    assert.equal(
      [':status', 'content-type', 'grpc-status'].map(name => head.get(name)),
      ['200', 'application/grpc', '14'],
    );
  });
});

test('a failed connection becomes UNAVAILABLE', async () => {
  await withProxy({ upstreams: ['http://127.0.0.1:1'] }, async proxy => {
    const { status } = await callOf(proxy);
    assert.equal([status.code, status.details], [grpcStatus.UNAVAILABLE, 'no connection to the upstream']);
  });
});

test('a response that takes too long becomes DEADLINE_EXCEEDED', async () => {
  const settings = { timeouts: { response: '50ms' } };
  await withOrigin({ answer: () => undefined }, { settings }, async proxy => {
    assert.is((await callOf(proxy)).status.code, grpcStatus.DEADLINE_EXCEEDED);
    assert.is(proxy.finished[0]?.error?.code, 'RESPONSE_TIMEOUT');
  });
});

test('a body or head over its limit becomes RESOURCE_EXHAUSTED', async () => {
  const settings = { limits: { body: '1kb', headers: '2kb' } };
  await withOrigin({ answer: () => ok('hello') }, { settings }, async proxy => {
    const { status } = await callOf(proxy, Buffer.alloc(5000));
    assert.equal(
      [status.code, status.details],
      [grpcStatus.RESOURCE_EXHAUSTED, 'the request body is over the limit'],
    );
    const large = new Metadata();
    large.set('x-large', 'x'.repeat(3000));
    const refused = await callOf(proxy, undefined, large);
    assert.equal(
      [refused.status.code, refused.status.details],
      [grpcStatus.RESOURCE_EXHAUSTED, 'the header section is over the limit'],
    );
  });
});

test("plugins' replies keep their meaning, text and fields", async () => {
  const replies = [
    [reply(403, '403 this address may not send requests\n'), grpcStatus.PERMISSION_DENIED],
    [reply(429, '429 too many requests\n', { 'Retry-After': '7' }), grpcStatus.UNAVAILABLE],
    [reply(401, 'no token\n', { 'WWW-Authenticate': 'Bearer' }), grpcStatus.UNAUTHENTICATED],
    [reply(404, '404 no such route\n'), grpcStatus.UNIMPLEMENTED],
    [reply(500, 'ä\n'), grpcStatus.INTERNAL],
  ] as const;
  let next = 0;
  const tap: ProxyOptions['tap'] = hooks => hooks.request.tap('refuse', () => replies[next]?.[0]);
  const details: string[] = [];
  await withProxy({ tap }, async proxy => {
    for (const [answer, code] of replies) {
      const { status } = await callOf(proxy);
      assert.is(status.code, code);
      details.push(status.details);
      const retryAfter = answer.headers.get('retry-after');
      if (retryAfter !== undefined) assert.equal(status.metadata.get('retry-after'), [retryAfter]);
      next++;
    }
    assert.equal(details, [
      'this address may not send requests',
      'too many requests',
      'no token',
      'no such route',
      'ä',
    ]);
    assert.equal(
      proxy.finished.map(ctx => ctx.response?.status),
      [403, 429, 401, 404, 500],
    );
  });
});

test('a reply that is already gRPC passes unchanged', async () => {
  const answer = reply(200, '', {
    'Content-Type': 'application/grpc',
    'Grpc-Status': '9',
    'Grpc-Message': 'not now',
  });
  await withProxy({ tap: hooks => hooks.request.tap('refuse', () => answer) }, async proxy => {
    const { status } = await callOf(proxy);
    assert.equal([status.code, status.details], [grpcStatus.FAILED_PRECONDITION, 'not now']);
  });
});

test("an upstream's response passes unchanged, whatever its status", async () => {
  await withOrigin(
    { answer: () => 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy' },
    {},
    async proxy => {
      const seen = await framesOf(proxy, call());
      assert.equal([headOf(seen).get(':status'), seen.body], ['503', 'busy']);
    },
  );
});

test('gRPC-Web, other types and HTTP/1.1 get HTTP responses', async () => {
  await withProxy({}, async proxy => {
    for (const type of ['application/grpc-web+proto', 'application/json']) {
      const seen = await framesOf(proxy, [...post(), ['content-type', type]]);
      assert.is(headOf(seen).get(':status'), '503', type);
      assert.is(seen.body, '503 no upstream is available\n');
    }
    // The type of one request does not affect the next.
    const client = await H2Client.open(proxy.port);
    await client.over(client.request(call()));
    assert.is(headOf(await client.over(client.request(get()))).get(':status'), '503');
    client.close();
    const plain = await RawClient.open(proxy.port);
    plain.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n');
    assert.match((await plain.response('POST')).line, /^HTTP.1.1 503 /);
    plain.close();
  });
});

test("a client's deadline ends its call, whatever the server does, and frees the server", async () => {
  await withOrigin({ answer: () => undefined }, {}, async (proxy, origin) => {
    const head = headOf(await framesOf(proxy, call(['grpc-timeout', '700m'])));
    assert.equal(
      [':status', 'grpc-status', 'grpc-message'].map(name => head.get(name)),
      ['200', '4', 'the time that the client gave has passed'],
    );
    await until('the end of the connection', () => origin.connections[0]?.gone === true);
    const [ctx] = proxy.finished;
    assert.equal([ctx?.error?.code, ctx?.response?.status], ['DEADLINE_EXCEEDED', 504]);
    // The server received the client's deadline.
    assert.match(origin.requests[0]?.raw ?? '', /\r\ngrpc-timeout: 700m\r\n/);
  });
});

test('the deadline applies to all attempts together', async () => {
  const settings = { timeouts: { response: '100ms' } };
  const tap: ProxyOptions['tap'] = hooks => hooks.judge.tap('again', () => retry);
  await withOrigin({ answer: () => undefined }, { settings, tap }, async proxy => {
    const head = headOf(await framesOf(proxy, call(['grpc-timeout', '350m'])));
    assert.is(head.get('grpc-status'), '4');
    assert.is(proxy.finished[0]?.error?.code, 'DEADLINE_EXCEEDED');
  });
});

test('the deadline applies while a stage waits', async () => {
  const tap: ProxyOptions['tap'] = hooks =>
    hooks.request.tapPromise('wait', () => new Promise<undefined>(() => {}));
  await withProxy({ tap }, async proxy => {
    const head = headOf(await framesOf(proxy, call(['grpc-timeout', '50000u'])));
    assert.is(head.get('grpc-status'), '4');
  });
});

test('a deadline that passes while the response streams resets the stream', async () => {
  const started =
    'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n';
  await withOrigin({ answer: () => started }, {}, async (proxy, origin) => {
    const seen = await framesOf(proxy, call(['grpc-timeout', '1S']));
    assert.equal([headOf(seen).get(':status'), seen.body, seen.ended], ['200', 'x', false]);
    assert.type(seen.reset, 'string');
    await until('the end of the connection', () => origin.connections[0]?.gone === true);
  });
});

test('a deadline does not extend the configured timeouts, and is ignored if malformed or outside gRPC', async () => {
  const settings = { timeouts: { response: '100ms' } };
  await withOrigin({ answer: () => undefined }, { settings }, async proxy => {
    const ends: (readonly [Fields, string])[] = [
      [call(['grpc-timeout', '1H']), 'RESPONSE_TIMEOUT'],
      [call(['grpc-timeout', '10']), 'RESPONSE_TIMEOUT'],
      [[...post(), ['grpc-timeout', '1m']], 'RESPONSE_TIMEOUT'],
      [call(['grpc-timeout', '1n']), 'DEADLINE_EXCEEDED'],
    ];
    for (const [fields] of ends) await framesOf(proxy, fields);
    assert.equal(
      proxy.finished.map(ctx => ctx.error?.code),
      ends.map(([, code]) => code),
    );
  });
});

test('the deadline of a finished call does not end a later one', async () => {
  let answers = 0;
  const answer = (): string | undefined => (++answers === 1 ? ok('first') : undefined);
  await withOrigin({ answer }, {}, async proxy => {
    const client = await H2Client.open(proxy.port);
    await client.over(client.request(call(['grpc-timeout', '600m'])));
    const second = client.request(call());
    await new Promise(resolve => setTimeout(resolve, 1000));
    const { heads, reset } = client.seen(second);
    assert.equal([heads, reset], [[], undefined]);
    client.close();
    await until('the end', () => proxy.finished.length === 2);
    assert.equal(
      proxy.finished.map(ctx => ctx.error?.code),
      [undefined, 'CLIENT_CLOSED'],
    );
  });
});
