// A rate limit over all workers of a node: counted in requests that were allowed, while a fake clock advances.
import * as assert from 'uvu/assert';
import { Generations } from '../../../core/bounded/generations.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import {
  FakeClock,
  managerSide,
  type TestManagerSide,
  type TestWorkerSide,
  workerSide,
} from '../../../core/testing.ts';
import { type RateLimitOptions, rateLimit } from '../../../plugins/rate-limit/index.ts';
import { type NodeBucket, NodeBuckets } from '../../../plugins/rate-limit/node-buckets.ts';
import type { Limit, ToWorker } from '../../../plugins/rate-limit/shares.ts';
import { WorkerBuckets } from '../../../plugins/rate-limit/worker-buckets.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const test = suite('rate-limit over workers');

type Random = ReturnType<typeof randomOf>;

/** A manager and its workers, with delayed messages. */
class Node {
  readonly clock = new FakeClock();
  readonly workers = new Map<number, WorkerBuckets>();
  readonly table: Generations<NodeBucket>;
  readonly node: NodeBuckets;
  messages = 0;
  private readonly limit: Limit;
  private readonly latency: number;

  constructor(limit: Limit, workers: number, { latency = 1, keys = 1_000 } = {}) {
    this.limit = limit;
    this.latency = latency;
    this.table = new Generations(keys);
    this.node = new NodeBuckets({
      limit,
      clock: this.clock,
      table: this.table,
      workers: () => [...this.workers.keys()],
      send: (worker, message) => this.later(() => this.workers.get(worker)?.hear(copy(message))),
    });
    for (let id = 1; id <= workers; id++) this.start(id, keys);
    this.clock.advance(10);
    this.messages = 0;
  }

  start(id: number, keys = 1_000): void {
    const { clock, limit } = this;
    const send = (message: Parameters<ConstructorParameters<typeof WorkerBuckets>[0]['send']>[0]): void => {
      if ('report' in message) this.later(() => this.node.hear(id, message.report, copy(message.spent)));
    };
    this.workers.set(id, new WorkerBuckets({ limit, keys, clock, send }));
    this.node.welcome(id);
  }

  /** Sends requests to a worker at this moment; returns how many were allowed. */
  ask(worker: number, count = 1, key = 'client'): number {
    let allowed = 0;
    for (let n = 0; n < count; n++) {
      if (this.workers.get(worker)?.take(key, this.clock.monotonic()) === 0) allowed++;
    }
    return allowed;
  }

  private later(deliver: () => void): void {
    this.messages++;
    this.clock.after(this.latency, deliver);
  }
}

const copy = <T extends ToWorker | readonly unknown[]>(message: T): T => JSON.parse(JSON.stringify(message));

const perSecond = (rate: number, burst = rate): Limit => ({ perMs: rate / 1_000, burst });

/** How a client spreads its requests: the worker of its nth request. */
const spreads: Readonly<Record<string, (n: number, ms: number, random: Random, workers: number) => number>> =
  {
    'at one worker': () => 1,
    evenly: (n, _, __, workers) => 1 + (n % workers),
    'at random': (_, __, random, workers) => 1 + random(workers),
    'mostly at one worker': (_, __, random, workers) => (random(10) > 0 ? 1 : 1 + random(workers)),
    'at one worker after another, a second each': (_, ms, __, workers) =>
      1 + (Math.floor(ms / 1_000) % workers),
    'at one worker after another, a tenth of a second each': (_, ms, __, workers) =>
      1 + (Math.floor(ms / 100) % workers),
  };

for (const [how, workerOf] of Object.entries(spreads)) {
  for (const workers of [1, 2, 4]) {
    for (const limit of [perSecond(100), perSecond(50, 200), perSecond(2, 5)]) {
      const title = `${limit.perMs * 1_000} a second, burst ${limit.burst}`;
      test(`allows exactly its rate to a client that exceeds it ${how}, with ${workers} workers: ${title}`, () => {
        const node = new Node(limit, workers);
        const random = randomOf(7);
        let allowed = 0;
        const end = 30_000;
        for (let ms = 0, n = 0; ms < end; ms += 2) {
          // Ten times the rate.
          const asked = Math.max(1, Math.round(limit.perMs * 20));
          for (let i = 0; i < asked; i++) allowed += node.ask(workerOf(n++, ms, random, workers));
          node.clock.advance(2);
          const most = limit.burst + limit.perMs * (ms + 2);
          // A worker admits the first request of a client that is new to it; it is deducted later.
          assert.ok(allowed <= 1.05 * most + workers, `${allowed} after ${ms} ms, at most ${most}`);
        }
        const due = limit.burst + limit.perMs * end;
        assert.ok(allowed >= 0.95 * due, `${allowed} of ${due}`);
        assert.ok(allowed <= 1.05 * due, `${allowed} of ${due}`);
      });
    }
  }
}

test('allows no more at any moment to a client that floods the workers unevenly, even before they exchange counts', () => {
  for (const workers of [2, 4, 8]) {
    for (const limit of [perSecond(100), perSecond(50, 200)]) {
      const node = new Node(limit, workers);
      const random = randomOf(5);
      let allowed = 0;
      for (let ms = 0; ms < 200; ms++) {
        for (let n = 0; n < 400; n++) allowed += node.ask(random(10) > 0 ? 1 : 1 + random(workers));
        const most = limit.burst + limit.perMs * ms;
        assert.ok(allowed <= 1.05 * most, `${allowed} of ${most} after ${ms} ms, ${workers} workers`);
        node.clock.advance(1);
      }
    }
  }
});

test('never refuses a client below the rate, wherever its connections land', () => {
  for (const [how, workerOf] of Object.entries(spreads)) {
    for (const workers of [2, 4]) {
      const node = new Node(perSecond(100), workers);
      const random = randomOf(3);
      let refused = 0;
      for (let ms = 0, n = 0; ms < 30_000; ms += 20) {
        refused += 1 - node.ask(workerOf(n++, ms, random, workers));
        node.clock.advance(20);
      }
      assert.ok(refused <= 15, `${how}, ${workers} workers: ${refused} of 1500`);
    }
  }
});

test('gives one worker the whole burst soon after requests arrive there', () => {
  const node = new Node(perSecond(10, 100), 4);
  assert.is(node.ask(1, 30), 25);
  node.clock.advance(10);
  const more = node.ask(1, 100);
  assert.ok(more >= 70 && more <= 75, String(more));
  assert.ok(node.ask(2, 100) + node.ask(3, 100) <= 5, 'one and a little more for the next client there');
});

test('a client that is quiet for long has a whole share at each worker again', () => {
  const node = new Node(perSecond(10, 100), 4);
  for (let n = 0; n < 100; n++) {
    node.ask(1, 50);
    node.clock.advance(10);
  }
  node.clock.advance(20_000);
  for (const worker of [1, 2, 3, 4]) assert.is(node.ask(worker, 50), 25);
});

test('sends workers nothing about a client below the rate', () => {
  const node = new Node(perSecond(100), 4);
  for (let n = 0; n < 100; n++) {
    node.ask(1 + (n % 4));
    node.clock.advance(1_000);
  }
  assert.is(node.messages, 100, 'one report each');
});

test('sends a bounded number of messages for one client, however many requests it sends', () => {
  const workers = 4;
  const node = new Node(perSecond(1_000, 2_000), workers);
  const random = randomOf(5);
  for (let ms = 0; ms < 1_000; ms++) {
    for (let n = 0; n < 20; n++) node.ask(random(2) > 0 ? 1 : 1 + random(workers));
    node.clock.advance(1);
  }
  assert.ok(node.messages <= 200 * workers, String(node.messages));
  node.clock.advance(1_000);
  node.messages = 0;
  node.clock.advance(60_000);
  assert.is(node.messages, 0, 'no messages without requests');
});

test('remembers what was spent after the death of a worker, and sends it to the replacement', () => {
  const node = new Node(perSecond(1, 100), 2);
  for (let n = 0; n < 10; n++) {
    node.ask(1, 50);
    node.clock.advance(50);
  }
  node.workers.delete(1);
  node.start(1);
  node.clock.advance(10);
  assert.ok(node.ask(1, 100) <= 1);
});

test('bounds the number of clients that it remembers, on either side', () => {
  const node = new Node(perSecond(1, 2), 2, { keys: 100 });
  for (let n = 0; n < 10_000; n++) {
    node.ask(1 + (n % 2), 3, `client ${n}`);
    node.ask(1, 1, 'busy');
    if (n % 10 === 0) node.clock.advance(1);
    assert.ok((node.workers.get(1)?.size ?? 0) <= 100 && node.table.size <= 100);
  }
  assert.is(node.ask(1, 1, 'busy'), 0, 'a client that kept coming was forgotten');
});

test('a client that a worker forgot gets no second burst there', () => {
  const node = new Node(perSecond(1, 100), 2, { keys: 1_000 });
  let allowed = 0;
  for (let round = 0; round < 20; round++) {
    allowed += node.ask(1, 200);
    node.clock.advance(110);
    // The worker forgets it; the manager receives too few others to forget it.
    node.workers.delete(1);
    node.start(1);
    node.clock.advance(5);
  }
  assert.ok(allowed <= 105, `${allowed}, of 100 and 2 s of 1`);
});

test('a clock that stands still or goes back gives no tokens', () => {
  const clock = new FakeClock();
  const buckets = new WorkerBuckets({ limit: perSecond(1000, 1), keys: 100, clock, send: () => {} });
  assert.is(buckets.take('a', 1000), 0);
  assert.ok(buckets.take('a', 1000) > 0);
  assert.ok(buckets.take('a', 500) > 0);
  assert.ok(buckets.take('a', 1000) > 0);
});

const upstreams = ['http://a:1'];

interface Sides {
  readonly manager: TestManagerSide;
  readonly workers: readonly TestWorkerSide[];
}

async function sidesOf(options: RateLimitOptions, count: number, previous?: TestManagerSide): Promise<Sides> {
  const plugins: readonly Plugin[] = [rateLimit(options)];
  const manager = await managerSide(plugins, {
    servers: upstreams,
    ...(previous && { previous, clock: previous.clock }),
  });
  const workers: TestWorkerSide[] = [];
  for (let n = 0; n < count; n++) {
    workers.push(await workerSide(plugins, { manager, id: n + 1 + (previous ? 10 : 0) }));
  }
  await manager.clock.advanceAsync(10);
  return { manager, workers };
}

async function allowedOf(worker: TestWorkerSide, count: number): Promise<number> {
  let allowed = 0;
  for (let n = 0; n < count; n++) if ((await worker.run()).status === 200) allowed++;
  return allowed;
}

test('allows its rate over all worker sides of a manager side, and keeps its counts across a reload', async () => {
  const options = { rate: 10, burst: 40 };
  const before = await sidesOf(options, 3);
  let allowed = 0;
  for (let n = 0; n < 40; n++) {
    for (const worker of before.workers) allowed += await allowedOf(worker, 2);
    await before.manager.clock.advanceAsync(50);
  }
  assert.ok(allowed >= 57 && allowed <= 63, `${allowed}, of 40 and 2 s of 10`);
  const after = await sidesOf(options, 3, before.manager);
  let more = 0;
  for (const worker of after.workers) more += await allowedOf(worker, 20);
  assert.ok(more <= 3, `${more} after the reload`);
  for (const worker of [...after.workers, ...before.workers]) await worker.close();
  await after.manager.close();
  assert.is(after.manager.clock.pending, 0);
});

test('explaining a request keeps no client from being forgotten, and adds none', () => {
  const clock = new FakeClock();
  const buckets = new WorkerBuckets({ limit: { perMs: 1e-6, burst: 1 }, keys: 4, clock, send: () => {} });
  const now = clock.monotonic();
  for (const key of ['a', 'b', 'c']) assert.is(buckets.take(key, now), 0);
  const wait = buckets.outlook('a', now);
  assert.ok(wait > 0);
  assert.is(buckets.outlook('a', now + 1_000) < wait, true);
  assert.is(buckets.outlook('a', now), wait);
  // Two more push the oldest two out, whichever were looked at.
  for (const key of ['d', 'e']) buckets.take(key, now);
  assert.is(buckets.outlook('a', now), 0);
});
