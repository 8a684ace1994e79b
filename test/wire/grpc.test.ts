// gRPC through Weldr: grpc-js as clients and servers, with TLS and without.
import { once } from 'node:events';
import { constants, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import {
  type Client,
  type ClientReadableStream,
  type ClientWritableStream,
  status as grpcStatus,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { type GrpcServer, grpcClient, outcomeOf, shop, startGrpcServer, unary } from '../support/grpc.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { H2Client, post } from './support/h2-client.ts';
import { type ProxyOptions, startProxy, type TestProxy } from './support/proxy.ts';

const test = suite('gRPC through Weldr');

const material = readTls(
  listenerTls.parse({ certificates: [{ cert: certificate, key: privateKey }] }),
  'tls',
).material;

/** What the servers noticed about calls that ended early. */
interface Ends {
  cancelled: number;
}

function methodsOf(ends: Ends): {
  unary: handleUnaryCall<Buffer, Buffer>;
  download: handleServerStreamingCall<Buffer, Buffer>;
  upload: handleClientStreamingCall<Buffer, Buffer>;
  chat: handleBidiStreamingCall<Buffer, Buffer>;
} {
  const cancelled = (): void => {
    ends.cancelled++;
  };
  return {
    unary(call, done) {
      call.on('cancelled', cancelled);
      const text = call.request.subarray(0, 20).toString('latin1');
      if (text === 'hang') return;
      const head = new Metadata();
      head.set('x-head', 'one');
      call.sendMetadata(head);
      const trailers = new Metadata();
      trailers.set('x-trailer', 'two');
      trailers.set('x-bytes-bin', Buffer.from([0, 255]));
      trailers.set('x-agent', String(call.metadata.get('x-agent')[0] ?? ''));
      done(null, call.request, trailers);
    },
    download(call) {
      call.on('cancelled', cancelled);
      const count = Number(call.request.toString());
      for (let n = 0; n < count; n++) call.write(Buffer.from(`message ${n}`));
      if (count > 0) call.end();
      else call.write(Buffer.from('first'));
    },
    upload(call, done) {
      let count = 0;
      let size = 0;
      call.on('data', (message: Buffer) => {
        if (String(message) === 'too much') done({ code: grpcStatus.RESOURCE_EXHAUSTED, details: 'enough' });
        count++;
        size += message.length;
      });
      call.on('end', () => done(null, Buffer.from(`${count} of ${size}`)));
    },
    chat(call) {
      call.on('cancelled', cancelled);
      call.write(Buffer.from('welcome'));
      call.on('data', (message: Buffer) => {
        const [word, count] = message.toString().split(' ');
        if (word === 'ticks') tick(call, Number(count));
        else if (!call.write(message)) {
          call.pause();
          call.once('drain', () => call.resume());
        }
      });
      call.on('end', () => call.end());
    },
  };
}

/** Sends this many messages, 50 ms apart. */
function tick(call: ServerDuplexStream<Buffer, Buffer>, count: number): void {
  if (count === 0) return;
  setTimeout(() => {
    call.write(Buffer.from('tick'));
    tick(call, count - 1);
  }, 50);
}

interface Between {
  readonly server: GrpcServer;
  readonly proxy: TestProxy;
  readonly client: Client;
  readonly ends: Ends;
}

async function between(
  { tls, ...options }: Omit<ProxyOptions, 'tls'> & { readonly tls: boolean },
  use: (all: Between) => Promise<void>,
): Promise<void> {
  const ends: Ends = { cancelled: 0 };
  const server = await startGrpcServer(methodsOf(ends), { tls });
  const upstream = tls ? { url: server.url, tls: { ca: certificate } } : server.url.replace('http:', 'h2c:');
  const proxy = await startProxy({
    upstreams: [upstream],
    http2: true,
    ...(tls && { tls: material }),
    ...options,
  });
  const client = grpcClient(proxy.port, { tls });
  try {
    await use({ server, proxy, client, ends });
  } finally {
    client.close();
    proxy.close();
    server.close();
  }
}

const download = (
  client: Client,
  count: number,
  options: { deadline?: number } = {},
): ClientReadableStream<Buffer> =>
  client.makeServerStreamRequest(
    shop.download.path,
    shop.download.requestSerialize,
    shop.download.responseDeserialize,
    Buffer.from(String(count)),
    options,
  );

/** The fields of a call, for a client that writes frames. */
const callFields = post(shop.unary.path, ['content-type', 'application/grpc'], ['te', 'trailers']);

const chat = (client: Client) =>
  client.makeBidiStreamRequest(shop.chat.path, shop.chat.requestSerialize, shop.chat.responseDeserialize);

function upload(client: Client): {
  call: ClientWritableStream<Buffer>;
  answer: Promise<Buffer | ServiceError>;
} {
  const { path, requestSerialize, responseDeserialize } = shop.upload;
  const { promise, resolve } = Promise.withResolvers<Buffer | ServiceError>();
  const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, value) =>
    resolve(error ?? value ?? Buffer.alloc(0)),
  );
  return { call, answer: promise };
}

for (const tls of [false, true]) {
  const over = tls ? 'over TLS' : 'without TLS';

  test(`a unary call keeps its message, metadata and trailers: ${over}`, async () => {
    await between({ tls }, async ({ client, proxy }) => {
      const metadata = new Metadata();
      metadata.set('x-agent', 'mine');
      const { head, messages, status } = await unary(client, Buffer.from('hello'), { metadata });
      assert.equal(messages.map(String), ['hello']);
      assert.equal(head?.get('x-head'), ['one']);
      assert.is(status.code, grpcStatus.OK);
      assert.equal(status.metadata.get('x-trailer'), ['two']);
      assert.equal(status.metadata.get('x-bytes-bin'), [Buffer.from([0, 255])]);
      assert.equal(status.metadata.get('x-agent'), ['mine']);
      await until('the record', () => proxy.finished.length === 1);
      assert.equal([proxy.finished[0]?.response?.status, proxy.finished[0]?.error], [200, undefined]);
    });
  });

  test(`messages of 4 MB go both ways: ${over}`, async () => {
    await between({ tls }, async ({ client }) => {
      const large = Buffer.alloc(4 * 1024 * 1024 - 64);
      for (let i = 0; i < large.length; i += 1000) large.writeUInt8(i % 251, i);
      const { messages, status } = await unary(client, large);
      assert.equal([status.code, status.details], [grpcStatus.OK, 'OK']);
      assert.ok(messages[0]?.equals(large));
    });
  });

  test(`a server streams, a client streams: ${over}`, async () => {
    await between({ tls }, async ({ client }) => {
      const { messages, status } = await outcomeOf(download(client, 1000));
      assert.is(status.code, grpcStatus.OK);
      assert.equal([messages.length, String(messages[999])], [1000, 'message 999']);
      const { call, answer } = upload(client);
      for (let n = 0; n < 1000; n++) call.write(Buffer.alloc(100));
      call.end();
      assert.is(String(await answer), '1000 of 100000');
    });
  });

  const count = tls ? 10_000 : 1000;
  test(`${count} messages go both ways on one stream, in order: ${over}`, async () => {
    await between({ tls }, async ({ client }) => {
      const call = chat(client);
      const ended = outcomeOf(call);
      for (let n = 0; n < count; n++) {
        if (!call.write(Buffer.from(`${n} ${'x'.repeat(n % 100)}`))) await once(call, 'drain');
      }
      call.end();
      const { messages, status } = await ended;
      assert.is(status.code, grpcStatus.OK);
      assert.is(messages.length, count + 1);
      const numbers = messages.slice(1).map(message => Number.parseInt(message.toString(), 10));
      assert.ok(numbers.every((number, n) => number === n));
    });
  });
}

test('messages are passed on immediately: a server sends first, then both take turns', async () => {
  await between({ tls: false }, async ({ client }) => {
    const call = chat(client);
    const ended = outcomeOf(call);
    assert.is(String((await once(call, 'data'))[0]), 'welcome');
    for (let turn = 0; turn < 20; turn++) {
      const next = once(call, 'data');
      call.write(Buffer.from(`turn ${turn}`));
      assert.is(String((await next)[0]), `turn ${turn}`);
    }
    call.end();
    assert.is((await ended).status.code, grpcStatus.OK);
  });
});

test('a server that answers before its client has finished ends the call', async () => {
  await between({ tls: false }, async ({ client, proxy }) => {
    const { call, answer } = upload(client);
    call.on('error', () => {});
    call.write(Buffer.from('too much'));
    const error = await answer;
    assert.ok('code' in error);
    assert.equal([error.code, error.details], [grpcStatus.RESOURCE_EXHAUSTED, 'enough']);
    await until('the record', () => proxy.finished.length === 1);
    assert.is(proxy.finished[0]?.error, undefined);
    assert.is((await unary(client, Buffer.from('again'))).status.code, grpcStatus.OK);
  });
});

test('streams whose clients wait for the server share the last connection', async () => {
  const settings = { limits: { upstreamConnections: 1 } };
  await between({ tls: false, settings }, async ({ client }) => {
    const calls = Array.from({ length: 5 }, () => chat(client));
    for (const call of calls) {
      call.on('error', () => {});
      assert.is(String((await once(call, 'data'))[0]), 'welcome');
    }
    for (const call of calls) call.cancel();
  });
});

test('a call continues while only its server sends; if both are silent, it ends', async () => {
  const settings = { timeouts: { body: '500ms' } };
  await between({ tls: false, settings }, async ({ client, proxy, ends }) => {
    const call = chat(client);
    const ended = outcomeOf(call);
    call.write(Buffer.from('ticks 20'));
    const { messages, status } = await ended;
    assert.is(messages.filter(message => String(message) === 'tick').length, 20);
    assert.is.not(status.code, grpcStatus.OK);
    assert.is(proxy.finished[0]?.error?.code, 'REQUEST_TIMEOUT');
    await until('the server is told', () => ends.cancelled === 1);
  });
});

test("a client's cancellation reaches the server", async () => {
  await between({ tls: false }, async ({ client, ends, proxy }) => {
    const call = chat(client);
    const ended = outcomeOf(call);
    await once(call, 'data');
    call.cancel();
    assert.is((await ended).status.code, grpcStatus.CANCELLED);
    await until('the server is told', () => ends.cancelled === 1);
    await until('the record', () => proxy.finished.length === 1);
    assert.is(proxy.finished[0]?.error?.code, 'CLIENT_CLOSED');
    // The connection stays open.
    assert.is((await unary(client, Buffer.from('again'))).status.code, grpcStatus.OK);
  });
});

test('a deadline ends a call at the client and at the server', async () => {
  await between({ tls: false }, async ({ client, ends }) => {
    // Long enough for the calls to reach the server on a slow machine.
    const deadline = 1000;
    const [single, streaming] = await Promise.all([
      unary(client, Buffer.from('hang'), { deadline }),
      outcomeOf(download(client, 0, { deadline: Date.now() + deadline })),
    ]);
    assert.is(single.status.code, grpcStatus.DEADLINE_EXCEEDED);
    assert.equal(streaming.messages.map(String), ['first']);
    assert.is(streaming.status.code, grpcStatus.DEADLINE_EXCEEDED);
    await until('the server is told', () => ends.cancelled === 2);
  });
});

test('Weldr enforces a deadline that neither side enforces, and cancels the stream to the server', async () => {
  const codes: (number | undefined)[] = [];
  const server = createServer();
  server.on('stream', stream => {
    stream.on('error', () => {}).on('close', () => codes.push(stream.rstCode));
    stream.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxy = await startProxy({ upstreams: [`h2c://127.0.0.1:${port}`], http2: true });
  const client = await H2Client.open(proxy.port);
  try {
    const id = client.request([...callFields, ['grpc-timeout', '1S']], 'open');
    client.data(id, '\0\0\0\0\x04hang', 'end');
    const { heads } = await client.over(id);
    assert.ok(heads[0]?.join(' ').includes('grpc-status 4'));
    await until('the end of its stream', () => codes.length === 1);
    assert.equal(codes, [constants.NGHTTP2_CANCEL]);
  } finally {
    client.close();
    proxy.close();
    server.close();
  }
});

test('an error of the server keeps its status, message and metadata, and ends the stream with its head', async () => {
  const server = await startGrpcServer({
    unary: ((_, done) => {
      const metadata = new Metadata();
      metadata.set('x-why', 'because');
      done({ code: grpcStatus.FAILED_PRECONDITION, details: 'not “now”', metadata });
    }) satisfies handleUnaryCall<Buffer, Buffer>,
  });
  const proxy = await startProxy({ upstreams: [server.url.replace('http:', 'h2c:')], http2: true });
  const client = grpcClient(proxy.port);
  const frames = await H2Client.open(proxy.port);
  try {
    const { status } = await unary(client, Buffer.from('hi'));
    assert.equal([status.code, status.details], [grpcStatus.FAILED_PRECONDITION, 'not “now”']);
    assert.equal(status.metadata.get('x-why'), ['because']);
    const id = frames.request(callFields, 'open');
    frames.data(id, '\0\0\0\0\x02hi', 'end');
    const seen = await frames.over(id);
    assert.equal([seen.heads.length, seen.dataFrames, seen.ended], [1, 0, true]);
    assert.not.ok(seen.heads[0]?.includes('content-length'));
  } finally {
    frames.close();
    client.close();
    proxy.close();
    server.close();
  }
});

test('a server that dies while its response streams ends the call with an error', async () => {
  await between({ tls: false }, async ({ client, server }) => {
    const call = download(client, 0);
    const ended = outcomeOf(call);
    await once(call, 'data');
    server.close();
    const { status } = await ended;
    assert.ok([grpcStatus.INTERNAL, grpcStatus.UNAVAILABLE, grpcStatus.CANCELLED].includes(status.code));
    // No server is left.
    assert.is((await unary(client, Buffer.from('hello'))).status.code, grpcStatus.UNAVAILABLE);
  });
});

test('many calls of all kinds share a few connections', async () => {
  await between({ tls: true }, async ({ client }) => {
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        n % 2 === 0 ? unary(client, Buffer.from(String(n))) : outcomeOf(download(client, n)),
      ),
    );
    for (const [n, { messages, status }] of outcomes.entries()) {
      assert.is(status.code, grpcStatus.OK);
      assert.is(messages.length, n % 2 === 0 ? 1 : n);
    }
  });
});
