// health-check by gRPC's health protocol, against servers of grpc-js and against others that only pretend.
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net';
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import * as assert from 'uvu/assert';
import type { ServerInput } from '../../../core/pool/server-definition.ts';
import { managerSide } from '../../../core/testing.ts';
import { healthRequest, servingStatus } from '../../../plugins/health-check/grpc-health.ts';
import { type HealthCheckOptions, healthCheck } from '../../../plugins/health-check/index.ts';
import { certificate } from '../../support/certificate.ts';
import { type GrpcServer, healthService, startGrpcServer } from '../../support/grpc.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('health-check by gRPC');

type Call = ServerUnaryCall<Buffer, Buffer>;

interface Seen {
  request: Buffer;
  metadata: Metadata;
  host: string;
}

/** A server whose health service answers with these bytes of a HealthCheckResponse, or this error. */
async function startHealth(
  answer: Buffer | { readonly code: status; readonly details?: string },
  options: { readonly tls?: boolean } = {},
): Promise<GrpcServer & { readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const check = (call: Call, done: sendUnaryData<Buffer>): void => {
    seen.push({ request: call.request, metadata: call.metadata, host: call.getHost() });
    if (Buffer.isBuffer(answer)) done(null, answer);
    else done(answer);
  };
  const server = await startGrpcServer({ check }, { ...options, service: healthService });
  return { ...server, seen };
}

/** The result of the first check of a server. */
async function firstCheck(
  server: ServerInput,
  options: HealthCheckOptions = {},
): Promise<{ detail: string | undefined; state: string | undefined }> {
  const side = await managerSide(healthCheck({ timeout: '10m', grpc: true, ...options }), {
    servers: [server],
  });
  const url = typeof server === 'string' ? server : server.url;
  try {
    side.clock.advance(1000);
    await until('the check', () => side.pools.get('default', url)?.health !== undefined);
    const entry = side.pools.get('default', url);
    return { detail: entry?.health?.detail, state: entry?.upstream.state };
  } finally {
    await side.close();
  }
}

const serving = Buffer.from([8, 1]);

async function withHealth(
  answer: Parameters<typeof startHealth>[0],
  use: (server: Awaited<ReturnType<typeof startHealth>>) => Promise<void>,
  options: { readonly tls?: boolean } = {},
): Promise<void> {
  const server = await startHealth(answer, options);
  try {
    await use(server);
  } finally {
    server.close();
  }
}

async function withListening(server: NetServer, use: (url: string) => Promise<void>): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
}

test('a server that is SERVING is up; it is asked as a whole, with the user agent and the configured metadata', async () => {
  await withHealth(serving, async ({ url, port, seen }) => {
    const found = await firstCheck(url, { headers: { Authorization: 'Bearer x' } });
    assert.equal(found, { detail: 'SERVING', state: 'active' });
    const [call] = seen;
    assert.equal([call?.request.length, call?.host], [0, `127.0.0.1:${port}`]);
    assert.match(String(call?.metadata.get('user-agent')), /^weldr-health-check\//);
    assert.equal(call?.metadata.get('authorization'), ['Bearer x']);
  });
});

test('a server that is not SERVING is down, and the reason names its status', async () => {
  const answers: readonly (readonly [Parameters<typeof startHealth>[0], string])[] = [
    [Buffer.from([8, 2]), 'NOT_SERVING'],
    [Buffer.from([8, 3]), 'SERVICE_UNKNOWN'],
    [Buffer.alloc(0), 'UNKNOWN'],
    [Buffer.from([8, 9]), 'the response is not a HealthCheckResponse'],
    [Buffer.from('not protobuf'), 'the response is not a HealthCheckResponse'],
    [Buffer.alloc(5000), 'the response is not a HealthCheckResponse'],
    [{ code: status.NOT_FOUND }, "NOT_FOUND: the server's health service knows no service ''"],
    [{ code: status.UNAVAILABLE, details: 'shutting\x1bdown ü' }, 'UNAVAILABLE: shutting down ü'],
    [{ code: status.DATA_LOSS }, 'grpc-status 15: Unknown Error'],
  ];
  for (const [answer, detail] of answers) {
    await withHealth(answer, async ({ url }) => {
      assert.equal(await firstCheck(url), { detail, state: 'down' });
    });
  }
});

test('a service is asked for by its name, also by one set for the server', async () => {
  await withHealth(serving, async ({ url, seen }) => {
    await firstCheck(url, { grpc: { service: 'shop' } });
    await firstCheck({ url, healthCheck: { grpc: { service: 'x'.repeat(200) } } }, { grpc: false });
    assert.equal(seen[0]?.request, Buffer.from('\x0a\x04shop'));
    assert.equal(seen[1]?.request, Buffer.concat([Buffer.from([10, 0xc8, 1]), Buffer.from('x'.repeat(200))]));
  });
});

test('a server can be checked over HTTP while others are checked by gRPC', async () => {
  await withListening(
    createHttpServer((_, response) => response.end()),
    async url => {
      assert.is((await firstCheck({ url, healthCheck: { grpc: false } })).detail, '200');
    },
  );
});

test('a server without the health service is down, and the reason says so', async () => {
  const server = await startGrpcServer({});
  assert.equal(await firstCheck(server.url), {
    detail: 'UNIMPLEMENTED: the server has no grpc.health.v1.Health',
    state: 'down',
  });
  server.close();
});

test('https:// servers are asked over TLS, with their tls settings and host', async () => {
  await withHealth(
    serving,
    async ({ url, seen }) => {
      assert.match((await firstCheck(url)).detail ?? '', /self.signed certificate/);
      const tls = { ca: certificate, servername: 'origin.test' };
      assert.is((await firstCheck({ url, tls, host: 'shop.test' })).detail, 'SERVING');
      assert.equal(
        seen.map(({ host }) => host),
        ['shop.test'],
      );
    },
    { tls: true },
  );
});

test('the Host of its headers takes precedence over the host of the server', async () => {
  await withHealth(serving, async ({ url, seen }) => {
    const headers = { Host: 'check.test' };
    for (const server of [url, { url, host: 'shop.test' }]) await firstCheck(server, { headers });
    assert.equal(
      seen.map(({ host, metadata }) => [host, metadata.get('host')]),
      [
        ['check.test', []],
        ['check.test', []],
      ],
    );
  });
});

test('another port is checked where one is set', async () => {
  await withHealth(serving, async ({ port }) => {
    assert.is((await firstCheck('http://127.0.0.1:1', { port })).detail, 'SERVING');
  });
});

test('no listener, HTTP/1.1, and a response that is not gRPC are failures', async () => {
  assert.match((await firstCheck('http://127.0.0.1:1')).detail ?? '', /ECONNREFUSED/);
  await withListening(
    createHttpServer((_, response) => response.end()),
    async url => {
      assert.equal(await firstCheck(url), { detail: 'the server does not speak HTTP/2', state: 'down' });
    },
  );
  const answers: readonly (readonly [(stream: ServerHttp2Stream) => void, string | RegExp])[] = [
    [stream => stream.respond({ ':status': 503 }, { endStream: true }), 'status 503 without a gRPC response'],
    [stream => stream.respond({ ':status': 200 }, { endStream: true }), 'a response without grpc-status'],
    [stream => stream.session?.socket.destroy(), 'the connection ended without a response'],
    [stream => stream.close(0), 'the connection ended without a response'],
    [stream => stream.close(7), /REFUSED_STREAM/],
  ];
  for (const [answer, detail] of answers) {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => {});
      answer(stream);
    });
    await withListening(server, async url => {
      const found = (await firstCheck(url)).detail ?? '';
      if (typeof detail === 'string') assert.is(found, detail);
      else assert.match(found, detail);
    });
  }
});

test('a check that takes too long is a failure, and its connection ends', async () => {
  let connections = 0;
  let ended = false;
  const server = createServer(socket => {
    connections++;
    socket.resume();
    socket
      .on('error', () => {})
      .on('close', () => {
        ended = true;
      });
  });
  await withListening(server, async url => {
    const side = await managerSide(healthCheck({ timeout: '5s', grpc: true }), { servers: [url] });
    try {
      side.clock.advance(1000);
      await until('the connection', () => connections === 1);
      side.clock.advance(5000);
      await until('the check', () => side.pools.get('default', url)?.health !== undefined);
      assert.is(side.pools.get('default', url)?.health?.detail, 'no response within 5000 ms');
      await until('the end of its connection', () => ended);
    } finally {
      await side.close();
    }
  });
});

test('a response may have unknown fields, but none that is cut', () => {
  const framed = (...bytes: number[]): Buffer => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
  assert.is(servingStatus(framed(8, 1)), 'SERVING');
  // A string, a varint, eight bytes and four of other fields.
  const more = [0x12, 2, 65, 66, 0x18, 0x80, 1, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4];
  assert.is(servingStatus(framed(...more, 8, 2)), 'NOT_SERVING');
  assert.is(servingStatus(framed(8, 2, 8, 1)), 'SERVING');
  for (let cut = 1; cut <= more.length; cut++) {
    const found = servingStatus(framed(...more.slice(0, cut)));
    assert.ok(found === undefined || found === 'UNKNOWN');
  }
  for (const bytes of [
    framed(8),
    framed(8, 0x80),
    framed(0x12, 5, 1),
    framed(0x0b),
    framed(8, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
    Buffer.from([0, 0, 0, 0, 3, 8, 1]),
    Buffer.from([1, 0, 0, 0, 2, 8, 1]),
    Buffer.alloc(4),
    Buffer.alloc(0),
  ]) {
    assert.is(servingStatus(bytes), undefined, bytes.toString('hex'));
  }
  assert.equal(healthRequest(''), Buffer.alloc(5));
  assert.equal(healthRequest('ä'), Buffer.from([0, 0, 0, 0, 4, 10, 2, 0xc3, 0xa4]));
});
