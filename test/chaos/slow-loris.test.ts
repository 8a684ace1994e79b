// Thousands of clients that send their heads a byte at a time: others notice nothing, and memory stays bounded.

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: slow-loris', { timeoutMs: 600_000, testTimeoutMs: 240_000 });

/** The most that a slow connection may cost a worker, in bytes of resident memory. */
const mostEach = 16 * 1024;

test('slow clients fail no request of others, take bounded memory, and are closed in time', async () => {
  const count = size(1_000, 5_000);
  const origins = await startOrigins(2);
  const settings = `timeouts: { header: '${size(4, 15)}s' },`;
  const weldr = await startChaos({ origins, settings });
  const port = portOf(weldr);
  // Enough load for the workers to allocate beforehand what serving takes anyway.
  const alone = await Load.during({ port, clients: 8, pauseMs: 5 }, running =>
    running.requestsMore(size(4_000, 10_000)),
  );
  const before = memoryOf(weldr.workers());

  const slow: Socket[] = [];
  let refused = 0;
  let during = 0;
  const load = await Load.during({ port, clients: 8, pauseMs: 5 }, async running => {
    for (let n = 0; n < count; n++) {
      slow.push(loris(port, () => refused++));
      if (n % 100 === 99) await sleep(20);
    }
    for (let round = 0; round < 4; round++) {
      for (const socket of slow) if (socket.writable) socket.write('x');
      await sleep(size(200, 1_000));
    }
    during = memoryOf(weldr.workers());
    await running.requestsMore(size(100, 2_000));
    await until('all slow connections are ended', () => slow.every(socket => socket.closed), 60_000);
  });

  assert.is(load.failures.length, 0, load.summary());
  const each = (during - before) / count;
  assert.ok(each < mostEach, `${Math.round(each)} bytes for each slow connection`);
  figure(
    `${count} slow-loris connections: ${load.requests} requests of others, 0 failed; ${delays(load)}, ` +
      `without the slow ones ${delays(alone)}; ${Math.round(Math.max(0, each))} bytes of memory for each; ` +
      `${refused} of ${count} were answered 408`,
  );
  assert.is(refused, count);
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

/** Latencies, for the report. */
function delays({ latencies }: Load): string {
  const sorted = latencies.toSorted((a, b) => a - b);
  const quantile = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(1);
  return `p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`;
}

function loris(port: number, answered: () => void): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.once('data', data => {
    if (String(data).startsWith('HTTP/1.1 408 ')) answered();
    socket.end();
  });
  socket.write('GET / HTTP/1.1\r\nHost: chaos.example\r\nX-Slow: ');
  return socket;
}

/** Resident memory of these processes together, in bytes. */
function memoryOf(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    total += Number(match?.[1] ?? 0) * 1024;
  }
  return total;
}
