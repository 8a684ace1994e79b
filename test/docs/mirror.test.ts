// The example mirror, in a real Weldr between real clients, origins and mirrors.
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { workerSide } from '../../core/testing.ts';
import { mirror } from '../../docs/examples/mirror.ts';
import { retry, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/weldr.ts';

const test = suite('the example mirror');

interface Copy {
  readonly line: string;
  readonly host: string | undefined;
  readonly body: string;
}

/** Runs `use` with a Weldr that copies to a mirror; `copies` are those that it got. */
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

/** What the client gets for a request. */
async function ask(url: string, body?: string): Promise<string> {
  const method = body === undefined ? 'GET' : 'POST';
  const headers = { connection: 'close' };
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return `${response.status} ${await response.text()}`;
}

test('copies requests and their bodies, and drops what comes back', async () => {
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

test('passes bodies on whole that are too large to copy', async () => {
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

test('costs clients nothing when the mirror is dead or hangs, and holds so many copies', async () => {
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
      const plugins = [mirror({ to, maxCopies: 3 }), roundRobin()];
      await withWeldr({ servers: [origin.url], plugins }, async ({ url }) => {
        for (let n = 0; n < 10; n++) assert.is(await ask(`${url}/echo`, `${n}`), `200 ${n}`);
        for (let n = 0; n < 10; n++) assert.is(await ask(url), '200 real');
      });
    }
    assert.is(connections, 3);
  } finally {
    hanging.close();
    await origin.close();
  }
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

test('copies nothing of a request that is only to be explained', async () => {
  const copied = await startOrigin();
  const side = await workerSide(mirror({ to: copied.url }), { upstreams: ['http://a'] });
  await side.run({ rehearsal: true });
  await side.run();
  await until('the other one is copied', () => copied.requests === 1);
  await side.close();
  await copied.close();
});
