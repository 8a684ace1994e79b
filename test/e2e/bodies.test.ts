// Bodies of any size pass both ways with flat memory, and a slow reader does not make a worker hold more.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { startWeldr, type TestWeldr, until } from '../support/weldr.ts';

const test = suite('bodies', { timeoutMs: 240_000, testTimeoutMs: 120_000 });

const megabyte = 1024 * 1024;
const gigabyte = 1024 * megabyte;
const block = Buffer.alloc(megabyte, 'weldr ');

/** An origin that swallows uploads and counts them, and sends as many bytes as `?bytes=` says. */
async function startByteOrigin() {
  const server = createServer((request, response) => {
    const bytes = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('bytes') ?? 0);
    if (request.method === 'POST') void swallow(request, response);
    else void send(response, bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function swallow(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let received = 0;
  for await (const bytes of request) received += bytes.length;
  response.end(String(received));
}

async function send(response: ServerResponse, bytes: number): Promise<void> {
  response.setHeader('content-length', bytes);
  for (let sent = 0; sent < bytes && !response.destroyed; sent += block.length) {
    if (!response.write(block)) await drainOrClose(response);
  }
  response.end();
}

async function drainOrClose(response: ServerResponse): Promise<void> {
  await new Promise<void>(resolve => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function withWeldr(run: (weldr: TestWeldr) => Promise<void>): Promise<void> {
  const origin = await startByteOrigin();
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { retry, roundRobin, stats } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 1, servers: ['${origin.url}'], plugins: [roundRobin(), retry(), stats()],
      });`,
  });
  try {
    await run(weldr);
  } finally {
    await weldr.stop();
    origin.close();
  }
}

/** Memory of the only worker, bytes: what is its own. */
function memoryOf(weldr: TestWeldr): number {
  const [worker] = weldr.workers();
  const rollup = readFileSync(`/proc/${worker}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** The most memory that the worker has while `work` is done. */
async function peakDuring(weldr: TestWeldr, work: Promise<unknown>): Promise<number> {
  let peak = 0;
  let over = false;
  const done = work.finally(() => {
    over = true;
  });
  done.catch(() => {});
  while (!over) {
    peak = Math.max(peak, memoryOf(weldr));
    await sleep(20);
  }
  await done;
  return peak;
}

/**
 * The most memory that a transfer of 256 MiB takes. A reading at rest would be another thing: V8 lets 64 MB of buffers
 * that nobody holds any more pile up before it collects them, so memory under way is a sawtooth, and only its peaks can
 * be compared.
 */
function usualPeak(weldr: TestWeldr, transfer: (bytes: number) => Promise<unknown>): Promise<number> {
  return peakDuring(weldr, transfer(256 * megabyte));
}

async function download(url: string): Promise<number> {
  const response = await fetch(url);
  let received = 0;
  for await (const bytes of response.body ?? []) received += bytes.length;
  return received;
}

async function upload(url: string, bytes: number, length: 'announced' | 'chunked'): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const chunked = length === 'chunked';
  const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes}`;
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${framing}\r\n\r\n`);
  for (let sent = 0; sent < bytes; sent += block.length) {
    if (chunked) socket.write(`${block.length.toString(16)}\r\n`);
    let flowing = socket.write(block);
    if (chunked) flowing = socket.write('\r\n');
    if (!flowing) await once(socket, 'drain');
  }
  if (chunked) socket.write('0\r\n\r\n');
  let answer = '';
  for await (const bytes of socket) answer += bytes;
  return answer;
}

test('passes a body of 1 GiB down with flat memory', async () => {
  await withWeldr(async weldr => {
    const before = await usualPeak(weldr, bytes => download(`${weldr.url}/?bytes=${bytes}`));
    const transfer = download(`${weldr.url}/?bytes=${gigabyte}`);
    const peak = await peakDuring(weldr, transfer);
    assert.is(await transfer, gigabyte);
    assert.ok(peak < before + 64 * megabyte, `grew from ${before} to ${peak}`);
  });
});

for (const length of ['announced', 'chunked'] as const) {
  test(`passes a body of 1 GiB up with flat memory, its length ${length}`, async () => {
    await withWeldr(async weldr => {
      const before = await usualPeak(weldr, bytes => upload(weldr.url, bytes, length));
      const transfer = upload(weldr.url, gigabyte, length);
      const peak = await peakDuring(weldr, transfer);
      assert.match(await transfer, new RegExp(`\\b${gigabyte}\\b`));
      assert.ok(peak < before + 64 * megabyte, `grew from ${before} to ${peak}`);
    });
  });
}

test('holds no more for clients that read slowly', async () => {
  await withWeldr(async weldr => {
    const before = await usualPeak(weldr, bytes => download(`${weldr.url}/?bytes=${bytes}`));
    const { hostname, port } = new URL(weldr.url);
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect(Number(port), hostname);
      socket.write(`GET /?bytes=${gigabyte} HTTP/1.1\r\nHost: x\r\n\r\n`);
      socket.once('data', () => socket.pause());
      return socket;
    });
    try {
      await until('all responses have begun', () => sockets.every(socket => socket.bytesRead > 0));
      const peak = await peakDuring(weldr, sleep(2_000));
      assert.ok(peak < before + 64 * megabyte, `grew from ${before} to ${peak}`);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });
});
