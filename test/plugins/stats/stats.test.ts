// The stats plugin: how outcomes count, and that no number is lost on its way to the manager.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { ErrorCode } from '../../../core/errors.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import {
  firstAvailable,
  managerSide,
  settle,
  type TestManagerSide,
  type UpstreamAnswer,
  workerSide,
} from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { routes } from '../../../plugins/routes/index.ts';
import { stats } from '../../../plugins/stats/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('stats');

const a = 'http://10.0.0.1:8001';
const b = 'http://[fd00::1]:8002';

/** Asks while the clock stands still; the answer arrives once the workers have reported. */
async function sums(manager: TestManagerSide): Promise<unknown> {
  return (await manager.admin('GET', '/stats')).body;
}

async function detail(manager: TestManagerSide): Promise<Record<string, unknown>[]> {
  return (await manager.admin('GET', '/stats/detail')).body as Record<string, unknown>[];
}

async function start(extra: readonly Plugin[] = []) {
  const manager = await managerSide(stats(), { servers: [a, b] });
  const worker = await workerSide([...extra, stats(), firstAvailable], { manager });
  return { manager, worker };
}

test('shows zeros, and every server, before anything has happened', async () => {
  const { manager } = await start();
  assert.equal(await sums(manager), { client: { success: 0, failed: 0 }, server: { success: 0, failed: 0 } });
  const nothing = {
    pool: 'default',
    state: 'active',
    reason: 'new',
    success: 0,
    failed: 0,
    inFlight: 0,
    connectErrors: 0,
    latency: { p50: null, p90: null, p99: null, count: 0, sum: 0 },
  };
  assert.equal(await detail(manager), [
    { id: a, ip: '10.0.0.1', port: '8001', ...nothing },
    { id: b, ip: 'fd00::1', port: '8002', ...nothing },
  ]);
});

const cases: [what: string, answer: UpstreamAnswer, client: 'success' | 'failed', server: string][] = [
  ['a complete 200', 200, 'success', 'success'],
  ['a complete 404', 404, 'success', 'success'],
  ['a 500 of the server', 500, 'failed', 'failed'],
  ['a body that was cut', { status: 200, cut: true }, 'failed', 'failed'],
  ['a connection that failed', 'CONNECT_FAILED', 'failed', 'failed'],
  ['a response that took too long', 'RESPONSE_TIMEOUT', 'failed', 'failed'],
  ['a client that left', 'CLIENT_CLOSED', 'failed', 'failed'],
  ['a client whose deadline passed', 'DEADLINE_EXCEEDED', 'failed', 'failed'],
  ['a malformed request body', 'BAD_CHUNK', 'success', 'none'],
];
for (const [what, answer, client, server] of cases) {
  test(`counts ${what} as ${client} for the client, ${server} for the server`, async () => {
    const { manager, worker } = await start();
    await worker.run({ answers: [answer] });
    const one = (outcome: string) => ({
      success: outcome === 'success' ? 1 : 0,
      failed: outcome === 'failed' ? 1 : 0,
    });
    assert.equal(await sums(manager), { client: one(client), server: one(server) });
  });
}

test('counts a request that no server could take as failed, and for no server', async () => {
  const manager = await managerSide(stats());
  const worker = await workerSide(stats(), { manager });
  await worker.run();
  assert.equal(await sums(manager), { client: { success: 0, failed: 1 }, server: { success: 0, failed: 0 } });
});

test('counts each attempt of a retried request for the server that it went to', async () => {
  const retrier: Plugin = {
    name: 'retrier',
    worker: ({ hooks }) => hooks.judge.tap('retrier', ctx => (ctx.error ? retry : undefined)),
  };
  const { manager, worker } = await start([retrier]);
  await worker.run({ answers: ['CONNECT_TIMEOUT', 200] });
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 1, failed: 1 } });
  const [first, second] = await detail(manager);
  assert.equal([first?.['success'], first?.['failed'], first?.['connectErrors']], [0, 1, 1]);
  assert.equal([second?.['success'], second?.['failed'], second?.['connectErrors']], [1, 0, 0]);
});

test('counts no attempt where a plugin replied before anything was sent', async () => {
  const gate: Plugin = {
    name: 'gate',
    worker: ({ hooks }) => hooks.preProxy.tap('gate', () => reply(403)),
  };
  const { manager, worker } = await start([gate]);
  await worker.run();
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 0, failed: 0 } });
  assert.is((await detail(manager))[0]?.['inFlight'], 0);
});

test('judges the server by its own status where a plugin replaced its response', async () => {
  const mask: Plugin = {
    name: 'mask',
    worker: ({ hooks }) =>
      hooks.postProxy.tap('mask', ctx => (ctx.status === 500 ? reply(200, 'sorry') : reply(503))),
  };
  const { manager, worker } = await start([mask]);
  await worker.run({ answers: [500] });
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 0, failed: 1 } });
  await worker.run({ answers: [200] });
  assert.equal(await sums(manager), { client: { success: 1, failed: 1 }, server: { success: 1, failed: 1 } });
});

test('does not blame a server for a plugin that threw', async () => {
  const broken: Plugin = {
    name: 'broken',
    worker: ({ hooks }) =>
      hooks.postProxy.tap('broken', () => {
        throw new Error('no luck');
      }),
  };
  const { manager, worker } = await start([broken]);
  await worker.run();
  assert.equal(await sums(manager), { client: { success: 0, failed: 1 }, server: { success: 0, failed: 0 } });
});

test('counts the kinds of connect errors', async () => {
  const { manager, worker } = await start();
  const codes: ErrorCode[] = ['CONNECT_FAILED', 'CONNECT_TIMEOUT', 'TLS_FAILED', 'UPSTREAM_RESET'];
  for (const code of codes) await worker.run({ answers: [code] });
  const [first] = await detail(manager);
  assert.is(first?.['connectErrors'], 3);
  assert.is(first?.['failed'], 4);
});

test('measures latency from the start of the attempt to its response head', async () => {
  const retrier: Plugin = {
    name: 'retrier',
    worker: ({ hooks }) => hooks.judge.tap('retrier', ctx => (ctx.error ? retry : undefined)),
  };
  const { manager, worker } = await start([retrier]);
  await worker.run({
    answers: [
      { error: 'CONNECT_TIMEOUT', after: 5000 },
      { status: 200, after: 10 },
    ],
  });
  const [first, second] = (await detail(manager)).map(row => row['latency'] as { p50: number | null });
  assert.is(first?.p50, null);
  assert.ok(Math.abs((second?.p50 ?? 0) - 10) < 1, `${second?.p50}`);
});

test('shows how many were answered and their total time, so that a mean of any period can be computed', async () => {
  const { manager, worker } = await start();
  const latency = async () => (await detail(manager))[0]?.['latency'] as { count: number; sum: number };
  await worker.run({ answers: [{ status: 200, after: 10 }] });
  const before = await latency();
  for (const after of [100, 300]) await worker.run({ answers: [{ status: 500, after }] });
  await worker.run({ answers: ['CONNECT_FAILED'] });
  const { count, sum } = await latency();
  assert.equal([before.count, count], [1, 3]);
  assert.ok(Math.abs((sum - before.sum) / (count - before.count) / 200 - 1) < 0.095, `${sum}`);
});

test('shows the state of each server, and its reason', async () => {
  const { manager } = await start();
  manager.pools.verdict('default', b, 'test', 'unwell');
  assert.equal(
    (await detail(manager)).map(({ state, reason }) => [state, reason]),
    [
      ['active', 'new'],
      ['down', 'test: unwell'],
    ],
  );
});

test('shows requests in flight in all workers', async () => {
  const { manager, worker } = await start();
  const other = await workerSide([stats(), firstAvailable], { manager, id: 2 });
  const answer = Promise.withResolvers<number>();
  const running = [worker, worker, other].map(side => side.run({ answers: [answer.promise] }));
  assert.is((await detail(manager))[0]?.['inFlight'], 3);
  answer.resolve(200);
  await Promise.all(running);
  assert.is((await detail(manager))[0]?.['inFlight'], 0);
});

test('adds up over workers', async () => {
  const { manager, worker } = await start();
  const other = await workerSide([stats(), firstAvailable], { manager, id: 2 });
  for (let n = 0; n < 3; n++) await worker.run();
  for (let n = 0; n < 4; n++) await other.run({ answers: [500] });
  assert.equal(await sums(manager), { client: { success: 3, failed: 4 }, server: { success: 3, failed: 4 } });
});

test('workers report on their own, so that little is lost when one is killed', async () => {
  const { manager, worker } = await start();
  await worker.run();
  await manager.clock.advanceAsync(250);
  const answer = Promise.withResolvers<number>();
  void worker.run({ answers: [answer.promise] });
  await manager.clock.advanceAsync(250);
  worker.kill();
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 1, failed: 0 } });
  assert.is((await detail(manager))[0]?.['inFlight'], 0);
});

test('a worker that ends normally loses nothing', async () => {
  const { manager, worker } = await start();
  await worker.run();
  await worker.close();
  await settle();
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 1, failed: 0 } });
});

test('numbers continue across a reload', async () => {
  const { manager, worker } = await start();
  await worker.run();
  await worker.close();
  await settle();
  await manager.close();
  const after = await managerSide(stats(), { previous: manager, servers: [a, b] });
  const next = await workerSide([stats(), firstAvailable], { manager: after, id: 2 });
  await next.run();
  assert.equal(await sums(after), { client: { success: 2, failed: 0 }, server: { success: 2, failed: 0 } });
  assert.is((await detail(after))[0]?.['success'], 2);
});

test('waits 250 ms for a worker that does not answer, and no longer', async () => {
  const { manager } = await start();
  const deaf: Plugin = { name: 'stats', worker: ({ channel }) => channel.onMessage(() => {}) };
  await workerSide(deaf, { manager, id: 3 });
  let answered = false;
  const asked = sums(manager).then(() => {
    answered = true;
  });
  await manager.clock.advanceAsync(249);
  assert.is(answered, false);
  await manager.clock.advanceAsync(1);
  await asked;
});

test('does not wait for a worker that dies meanwhile', async () => {
  const { manager } = await start();
  const deaf: Plugin = { name: 'stats', worker: ({ channel }) => channel.onMessage(() => {}) };
  const dying = await workerSide(deaf, { manager, id: 2 });
  const asked = sums(manager);
  await settle();
  dying.kill();
  assert.ok(await asked);
});

test('a removed server stays in the sum and leaves the detail', async () => {
  const { manager, worker } = await start();
  await worker.run();
  await sums(manager);
  await manager.pools.remove('default', a);
  await settle();
  assert.equal(await sums(manager), { client: { success: 1, failed: 0 }, server: { success: 1, failed: 0 } });
  assert.equal(
    (await detail(manager)).map(row => row['id']),
    [b],
  );
});

test('a server that comes back starts at zero', async () => {
  const { manager, worker } = await start();
  await worker.run();
  await sums(manager);
  await manager.pools.remove('default', a);
  await settle();
  await manager.pools.add('default', { url: a, weight: 1, state: 'active' });
  assert.is((await detail(manager)).find(row => row['id'] === a)?.['success'], 0);
});

/** Records what workers send. */
function tapMessages(manager: TestManagerSide, look: (message: unknown) => void): void {
  const receive = manager.receive.bind(manager);
  Object.assign(manager, {
    receive(instance: string, message: unknown, worker: number) {
      look(message);
      receive(instance, message, worker);
    },
  });
}

const told = z.object({ counts: z.object({ servers: z.array(z.unknown()) }) });
const sizeOf = (message: unknown): number => told.parse(message).counts.servers.length;

test('sends nothing while nothing happens', async () => {
  const { manager, worker } = await start();
  let messages = 0;
  tapMessages(manager, () => messages++);
  await manager.clock.advanceAsync(1000);
  assert.is(messages, 0);
  await worker.run();
  await manager.clock.advanceAsync(1000);
  assert.is(messages, 1);
});

test('reports at most 500 servers at once on its own, and all when asked', async () => {
  const servers = Array.from({ length: 1200 }, (_, n) => `http://10.0.${n >> 8}.${n & 255}`);
  const manager = await managerSide(stats(), { servers });
  let next = 0;
  const inTurn: Plugin = {
    name: 'in-turn',
    worker: ({ hooks }) => hooks.selectUpstream.tap('in-turn', ctx => ctx.pool.available[next++]),
  };
  const sizes: number[] = [];
  tapMessages(manager, message => sizes.push(sizeOf(message)));
  const worker = await workerSide([stats(), inTurn], { manager });
  for (let n = 0; n < 1200; n++) await worker.run();
  await manager.clock.advanceAsync(500);
  assert.equal(sizes, [500, 500]);
  assert.equal(await sums(manager), {
    client: { success: 1200, failed: 0 },
    server: { success: 1200, failed: 0 },
  });
});

test('leaves no timer behind', async () => {
  const { manager, worker } = await start();
  await worker.close();
  await manager.close();
  assert.is(manager.clock.pending, 0);
});

test('refuses unknown options', async () => {
  const thrown = await workerSide(stats({ every: '1s' } as object)).catch(error => error);
  assert.is(thrown.code, 'CONFIG_INVALID');
  assert.is(thrown.field, 'plugins[0].every');
});

test('shows the path of a server on a unix socket', async () => {
  const manager = await managerSide(stats(), { servers: ['unix:/run/app.sock'] });
  const [shown] = await detail(manager);
  assert.equal([shown?.['id'], shown?.['path']], ['unix:/run/app.sock', '/run/app.sock']);
  assert.not.ok('port' in (shown ?? {}));
});

test('counts the requests of each route, and shows when it took the last', async () => {
  const plugins = [
    routes([
      { name: 'shop', path: '/shop/*', pool: 'default' },
      { name: 'quiet', path: '/quiet', pool: 'default' },
    ]),
    stats(),
    adminApi({ listen: '127.0.0.1:0' }),
  ];
  const manager = await managerSide(plugins, { servers: [a, b] });
  const worker = await workerSide([...plugins, firstAvailable], { manager });
  for (const answer of [200, 200, 503]) await worker.run({ target: '/shop/x', answers: [answer] });
  await worker.run({ target: '/elsewhere' });
  const { body } = await manager.admin('GET', '/stats/routes');
  const lastAt = manager.clock.now();
  assert.equal(body, [{ route: 'shop', success: 2, failed: 1, lastAt }]);
  await manager.clock.advanceAsync(1_000);
  await worker.run({ target: '/shop/x' });
  await manager.admin('GET', '/stats');
  const listed = (await manager.admin('GET', '/routes')).body as { routes: { hits: unknown }[] };
  assert.equal(
    listed.routes.map(({ hits }) => hits),
    [
      { success: 3, failed: 1, lastAt: manager.clock.now() },
      { success: 0, failed: 0, lastAt: null },
    ],
  );
  await worker.close();
  await manager.close();
});
