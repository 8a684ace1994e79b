// After a long mixed load, descriptors, sockets, timers and memory are back where they were.
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import type { TestWeldr } from '../support/weldr.ts';
import { Admin } from './support/admin.ts';
import { startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { RawConnection } from './support/raw-connection.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: soak', { timeoutMs: 1_800_000, testTimeoutMs: 1_500_000 });

/** Lets a worker report its state, after a garbage collection. */
const probe = `{
  name: 'probe',
  worker({ hooks }) {
    hooks.request.tap('probe', ctx => {
      if (ctx.request.target !== '/probe') return undefined;
      globalThis.gc();
      const heap = process.memoryUsage().heapUsed;
      return reply(200, JSON.stringify({ pid: process.pid, heap, resources: process.getActiveResourcesInfo() }));
    });
  },
},`;

interface Worker {
  readonly pid: number;
  readonly heap: number;
  readonly resources: readonly string[];
}

test('leaves no descriptor, socket, timer or memory behind', async () => {
  const origins = await startOrigins(3);
  const weldr = await startChaos({
    origins,
    first: probe,
    env: { NODE_OPTIONS: '--expose-gc' },
    settings: `timeouts: { response: '1s', upstreamIdle: '1s', idle: '5s' },`,
  });
  await churn(weldr, origins, size(300, 5_000));
  await quiet(weldr);
  const before = await workersOf(weldr);
  const descriptors = descriptorsOf(weldr);

  let requests = 0;
  for (let round = 0; round < size(2, 20); round++) {
    requests += await churn(weldr, origins, size(500, 10_000));
  }
  await quiet(weldr);
  const after = await workersOf(weldr);

  for (const [pid, earlier] of before) {
    const later = after.get(pid);
    if (later === undefined) throw new Error(`worker ${pid} is gone`);
    assert.equal(tally(later.resources), tally(earlier.resources), 'timers and sockets');
    const grown = later.heap - earlier.heap;
    assert.ok(grown < 2 * 1024 * 1024, `the heap of a worker grew by ${grown} bytes`);
    figure(
      `soak: ${requests} requests with failures of all kinds: heap ${Math.round(earlier.heap / 1024)} kB before, ` +
        `${Math.round(later.heap / 1024)} kB after; ${later.resources.length} handles before and after`,
    );
  }
  const left = [...descriptorsOf(weldr)].map(([pid, now]) => now - (descriptors.get(pid) ?? 0));
  // A lazily opened descriptor may have been added; one per connection or request would be many by now.
  assert.ok(Math.max(...left) <= 1, `descriptors more than before, of the manager and its workers: ${left}`);
  figure(`soak: descriptors ${[...descriptors.values()].join(' + ')} before, ${left.join(', ')} more after`);
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

/** Everything that can happen to requests and origins, once. */
async function churn(
  weldr: TestWeldr,
  origins: Awaited<ReturnType<typeof startOrigins>>,
  requests: number,
): Promise<number> {
  const admin = new Admin(weldr);
  const [origin] = origins;
  if (origin === undefined) throw new Error('there is no origin');
  const port = portOf(weldr);
  const options = { port, clients: 12, pauseMs: size(3, 0), downloads: 1, tunnels: 1 };
  const load = await Load.during(options, async running => {
    const leaving = leavers(port, 50);
    for (const behaviour of ['cut', 'garbage', 'hang', 'reset', 'refuse'] as const) {
      await origin.behave(behaviour);
      await running.requestsMore(requests / 10);
      await origin.behave('well');
      await running.requestsMore(requests / 10);
    }
    await origin.kill();
    await running.requestsMore(requests / 10);
    await origin.start();
    await leaving;
    await admin.until(origin, 'active');
  });
  const wrong = load.failures.filter(({ kind }) => kind === 'wrong');
  assert.is(wrong.length, 0, load.summary());
  return load.requests;
}

/** Clients that leave: before their head is complete, within a body, within a download, with a reset. */
async function leavers(port: number, count: number): Promise<void> {
  const beginnings = [
    'GET / HT',
    'POST /post/x/1000 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf',
    'POST /post/x/1000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal',
    'GET /slow/x/200000 HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /echo/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
    'not http at all\r\n\r\n',
  ];
  for (let n = 0; n < count; n++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(beginnings[n % beginnings.length] ?? '');
    await sleep(20);
    if (n % 2 === 0) socket.resetAndDestroy();
    else socket.destroy();
  }
}

/** Waits until idle connections towards origins have been closed. */
async function quiet(weldr: TestWeldr): Promise<void> {
  let before = '';
  await until(
    'the descriptors stay the same',
    async () => {
      await sleep(1_500);
      const now = JSON.stringify([...descriptorsOf(weldr)]);
      const isSame = now === before;
      before = now;
      return isSame;
    },
    60_000,
  );
}

/** What each worker reports. */
async function workersOf(weldr: TestWeldr): Promise<Map<number, Worker>> {
  const workers = new Map<number, Worker>();
  await until('both workers have answered', async () => {
    const connection = new RawConnection(portOf(weldr));
    const answer = await connection.request({
      method: 'GET',
      target: '/probe',
      head: 'GET /probe HTTP/1.1\r\nHost: a\r\n\r\n',
      body: undefined,
      payload: undefined,
    });
    const worker = JSON.parse(answer.body.toString()) as Worker;
    workers.set(worker.pid, worker);
    connection.destroy();
    await sleep(100);
    return workers.size === weldr.workers().length;
  });
  return workers;
}

function descriptorsOf(weldr: TestWeldr): Map<number, number> {
  return new Map([weldr.pid, ...weldr.workers()].map(pid => [pid, readdirSync(`/proc/${pid}/fd`).length]));
}

function tally(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
