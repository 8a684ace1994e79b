// The example mirror, in a real Weldr between real clients, origins and mirrors.
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import type { WorkerSide } from '../../config/index.ts';
import { workerSide } from '../../core/testing.ts';
import { mirror } from '../../docs/examples/mirror.ts';
import { retry, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { statusOf } from '../wire/support/strict-message.ts';

const test = suite('the example mirror');

interface Copy {
  readonly line: string;
  readonly host: string | undefined;
  readonly body: string;
}

/** Runs `use` with a Weldr that sends copies to a mirror; `copies` are those that arrived. */
async function withMirror(
  options: Omit<Parameters<typeof mirror>[0], 'to'>,
  use: (url: string, copies: readonly Copy[]) => Promise<void>,
): Promise<void> {
  const copies: Copy[] = [];
  const origin = await startOrigin({ name: 'real' });
  const copied = await startOrigin({
    async handle(request, response) {
      const body = await textOf(request);
      copies.push({ line: `${request.method} ${request.url}`, host: request.headers.host, body });
      response.writeHead(500).end('x'.repeat(100_000));
    },
  });
  const plugins = [mirror({ ...options, to: copied.url }), roundRobin()];
  try {
    await withWeldr({ servers: [origin.url], plugins }, ({ url }) => use(url, copies));
  } finally {
    await origin.close();
    await copied.close();
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** Returns what the client gets for a request. */
async function ask(url: string, body?: string): Promise<string> {
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { connection: 'close' };
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return `${response.status} ${await response.text()}`;
}

test('copies requests and their bodies, and drops the responses', async () => {
  await withMirror({}, async (url, copies) => {
    assert.is(await ask(url), '200 real');
    assert.is(await ask(`${url}/echo?a=b`, 'a body'), '200 a body');
    await until('both are copied', () => copies.length === 2);
    const host = new URL(url).host;
    const wanted: readonly Copy[] = [
      { line: 'GET /', host, body: '' },
      { line: 'POST /echo?a=b', host, body: 'a body' },
    ];
    assert.equal(
      [...copies].sort((a, b) => a.line.localeCompare(b.line)),
      wanted,
    );
  });
});

test('passes on complete bodies that are too large to copy', async () => {
  await withMirror({ maxBody: '1kb' }, async (url, copies) => {
    const large = 'x'.repeat(200_000);
    assert.is(await ask(`${url}/echo`, large), `200 ${large}`);
    const chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let n = 0; n < 20; n++) controller.enqueue(Buffer.alloc(1000, 'y'));
        controller.close();
      },
    });
    const streamed = await fetch(`${url}/echo`, { method: 'POST', body: chunks, duplex: 'half' });
    assert.is(await streamed.text(), 'y'.repeat(20_000));
    assert.is(await ask(`${url}/echo`, 'small'), '200 small');
    await until('the small one is copied', () => copies.length === 1);
    assert.is(copies[0]?.body, 'small');
  });
});

test('does not affect clients when the mirror is dead or hangs, and bounds its copies', async () => {
  const origin = await startOrigin({ name: 'real' });
  let connections = 0;
  const hanging = createServer(socket => {
    connections++;
    socket.on('error', () => {});
  });
  const port = await freePort();
  await new Promise<void>(listening => hanging.listen(port, '127.0.0.1', listening));
  try {
    for (const to of [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${port}`]) {
      const plugins = [mirror({ to, maxCopies: 3, timeout: 600_000 }), roundRobin()];
      await withWeldr({ servers: [origin.url], plugins }, async ({ url }) => {
        for (let n = 0; n < 10; n++) assert.is(await ask(`${url}/echo`, `${n}`), `200 ${n}`);
        for (let n = 0; n < 10; n++) assert.is(await ask(url), '200 real');
        if (to.endsWith(`:${port}`)) await until('it has what may be held', () => connections === 3);
      });
    }
    assert.is(connections, 3);
  } finally {
    hanging.close();
    await origin.close();
  }
});

test('does not count requests whose body broke off as copies', async () => {
  const copied = await startOrigin();
  const hasty = await startOrigin({
    handle(_, response) {
      response.writeHead(413, { connection: 'close' }).end('too large');
    },
  });
  const dead = `http://127.0.0.1:${await freePort()}`;
  const body = 'x'.repeat(60_000);
  for (const server of [hasty.url, dead]) {
    const good = await startOrigin({ name: 'real' });
    const byPath = {
      name: 'by-path',
      worker({ hooks, pools }: WorkerSide) {
        hooks.route.tap('by-path', ctx => pools.get(ctx.request.path.slice(1)));
      },
    };
    const plugins = [mirror({ to: copied.url, maxCopies: 2 }), byPath, roundRobin()];
    await withWeldr({ servers: [good.url], pools: { bad: [server] }, plugins }, async ({ url, port }) => {
      for (let n = 0; n < 4; n++) {
        await ask(`${url}/bad`, body).catch(() => '');
        const leaving = await RawClient.open(port);
        leaving.send('POST /echo HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nabc');
        await until('it has begun', () => good.inFlight > 0);
        leaving.reset();
        await until('it has left', () => good.inFlight === 0);
      }
      await until('a later one is copied', async () => {
        assert.is(await ask(`${url}/echo`, 'later'), '200 later');
        return copied.seen.has('POST /echo');
      });
    });
    await good.close();
  }
  await hasty.close();
  await copied.close();
});

test('frames the copy of a chunked body once', async () => {
  await withMirror({}, async (url, copies) => {
    const chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let n = 0; n < 3; n++) controller.enqueue(Buffer.from('part '));
        controller.close();
      },
    });
    const answer = await fetch(`${url}/echo`, { method: 'POST', body: chunks, duplex: 'half' });
    assert.is(await answer.text(), 'part part part ');
    await until('it is copied', () => copies.length === 1);
    assert.is(copies[0]?.body, 'part part part ');
  });
});

test('copies a request that announces trailers without these, and stops counting it as a copy', async () => {
  await withMirror({ maxCopies: 2 }, async (url, copies) => {
    const { port } = new URL(url);
    const head = 'Host: a.test\r\nTrailer: X-Sum\r\n';
    const chunked = 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n';
    for (let n = 1; n < 4; n++) {
      const client = await RawClient.open(Number(port));
      client.send(`GET / HTTP/1.1\r\n${head}\r\nPOST /echo HTTP/1.1\r\n${head}${chunked}`);
      const statuses = (await client.responses('GET', 'POST')).map(statusOf);
      assert.equal(statuses, [200, 200]);
      client.close();
      await until('both are copied', () => copies.length === 2 * n);
    }
    assert.equal(new Set(copies.map(({ body }) => body)), new Set(['', 'abc']));
  });
});

test('copies a request once, however often it is tried', async () => {
  const copied = await startOrigin();
  const origin = await startOrigin({ name: 'real' });
  const dead = `http://127.0.0.1:${await freePort()}`;
  const plugins = [mirror({ to: copied.url }), roundRobin(), retry()];
  try {
    await withWeldr({ servers: [dead, origin.url], plugins }, async ({ url }) => {
      for (let n = 0; n < 4; n++) assert.is(await ask(url), '200 real');
      for (let n = 0; n < 4; n++) assert.is(await ask(`${url}/echo`, 'body'), '200 body');
      await until('all are copied', () => copied.requests === 8);
    });
    assert.is(copied.requests, 8);
  } finally {
    await origin.close();
    await copied.close();
  }
});

test('does not copy a request that is only explained', async () => {
  const copied = await startOrigin();
  const side = await workerSide(mirror({ to: copied.url }), { upstreams: ['http://a'] });
  await side.run({ rehearsal: true });
  await side.run();
  await until('the other one is copied', () => copied.requests === 1);
  await side.close();
  await copied.close();
});
