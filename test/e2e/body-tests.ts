// Bodies that pass both ways with flat memory, and slow readers that do not make a worker buffer more: by fetch and by sockets,
// in a size for every run and in a larger one.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Test } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';
import { block, startByteOrigin } from './byte-origin.ts';
import { megabyte, peakDuring, peakTolerance, usualPeak } from './worker-memory.ts';

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

/** Registers the tests of bodies of `mebibytes`, compared with a quarter of it. */
export function bodyTests(test: Test, mebibytes: number): void {
  const large = mebibytes * megabyte;
  const usual = large / 4;

  test(`passes a body of ${mebibytes} MiB down with flat memory`, async () => {
    await withWeldr(async weldr => {
      const before = await usualPeak(weldr, usual, bytes => download(`${weldr.url}/?bytes=${bytes}`));
      const transfer = download(`${weldr.url}/?bytes=${large}`);
      const peak = await peakDuring(weldr, transfer);
      assert.is(await transfer, large);
      assert.ok(peak < before + peakTolerance, `grew from ${before} to ${peak}`);
    });
  });

  for (const length of ['announced', 'chunked'] as const) {
    test(`passes a body of ${mebibytes} MiB up with flat memory, its length ${length}`, async () => {
      await withWeldr(async weldr => {
        const before = await usualPeak(weldr, usual, bytes => upload(weldr.url, bytes, length));
        const transfer = upload(weldr.url, large, length);
        const peak = await peakDuring(weldr, transfer);
        assert.match(await transfer, new RegExp(`\\b${large}\\b`));
        assert.ok(peak < before + peakTolerance, `grew from ${before} to ${peak}`);
      });
    });
  }

  test('buffers no more for clients that read slowly', async () => {
    await withWeldr(async weldr => {
      const before = await usualPeak(weldr, usual, bytes => download(`${weldr.url}/?bytes=${bytes}`));
      const { hostname, port } = new URL(weldr.url);
      const sockets = Array.from({ length: 20 }, () => {
        const socket = connect(Number(port), hostname);
        socket.write(`GET /?bytes=${large} HTTP/1.1\r\nHost: x\r\n\r\n`);
        socket.once('data', () => socket.pause());
        return socket;
      });
      try {
        await until('all responses have begun', () => sockets.every(socket => socket.bytesRead > 0));
        const peak = await peakDuring(weldr, sleep(2_000));
        assert.ok(peak < before + peakTolerance, `grew from ${before} to ${peak}`);
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    });
  });
}
