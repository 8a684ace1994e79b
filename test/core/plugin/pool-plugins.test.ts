// Plugins of pools, listed at run time: both sides of them start with the list and end with it.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import type { Batch, Row } from '../../../core/state/row.ts';
import type { StateStore } from '../../../core/state/store.ts';
import { managerSide, settle, type TestManagerSide, workerSide } from '../../../core/testing.ts';
import { healthCheck, leastRequests, roundRobin, routes, stats } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

const test = suite('plugins of pools at run time');

/** Starts and ends of a plugin's sides, such as `+w1 api/gate`. */
class Diary {
  readonly lines: string[] = [];

  /** A plugin that records its starts and ends, and replies 403 to the path /no. */
  plugin(name: string, more: Partial<Plugin> = {}): Plugin {
    return {
      name,
      manager: ({ scope, onClose, metrics }) => {
        const where = `m ${scope.kind === 'config' ? '' : scope.name}/${name}`;
        metrics.counter({ name: `${name}_starts_total`, help: 'Starts.' }).inc();
        this.lines.push(`+${where}`);
        onClose(() => void this.lines.push(`-${where}`));
      },
      worker: ({ id, hooks, scope, onClose, metrics, channel }) => {
        const where = `w${id} ${scope.kind === 'config' ? '' : scope.name}/${name}`;
        const seen = metrics.counter({ name: `${name}_seen_total`, help: 'Requests.' });
        channel.onMessage(() => {});
        hooks.request.tap(name, ctx => {
          seen.inc();
          ctx.note(name);
          return ctx.request.target === '/no' ? reply(403, 'no\n') : undefined;
        });
        this.lines.push(`+${where}`);
        onClose(() => void this.lines.push(`-${where}`));
      },
      ...more,
    };
  }

  /** What is new since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }
}

const put = (side: TestManagerSide, pool: string, plugins: readonly string[] | null) =>
  side.pools.write([{ kind: 'pool', key: pool, op: 'add', value: { plugins } }], 'a test');

const remove = (side: TestManagerSide, pool: string) =>
  side.pools.write([{ kind: 'pool', key: pool, op: 'remove' }], 'a test');

const server = (url: string) => ({ url, weight: 1, state: 'active' as const });

test('a list is active in every worker when the write is answered, and ends when it is removed', async () => {
  const diary = new Diary();
  const define = { gate: diary.plugin('gate'), least: leastRequests() };
  const side = await managerSide([roundRobin()], { define });
  const [one, two] = [
    await workerSide([roundRobin()], { manager: side }),
    await workerSide([roundRobin()], { manager: side, id: 2 }),
  ];
  await put(side, 'api', ['gate', 'least']);
  assert.equal(diary.take(), ['+m api/gate', '+w1 api/gate', '+w2 api/gate']);
  await side.pools.add('api', server('http://a:1'));
  for (const worker of [one, two]) {
    assert.is((await worker.run({ pool: 'api', target: '/no' })).status, 403);
    const { status, notes } = await worker.run({ pool: 'api' });
    assert.equal([status, notes], [200, ['gate']]);
    assert.is((await worker.run({ pool: 'default', target: '/no' })).status, 503, 'another pool');
  }
  await put(side, 'api', ['least']);
  assert.is((await one.run({ pool: 'api', target: '/no' })).status, 200);
  await settle();
  assert.equal(diary.take(), ['-m api/gate', '-w1 api/gate', '-w2 api/gate']);
  await side.pools.remove('api', 'http://a:1');
  await remove(side, 'api');
  await settle();
  assert.equal([side.runTime.problems({ kind: 'pool', name: 'api' }), [...side.pools.state.all]], [[], []]);
  for (const end of [one, two, side]) await end.close();
});

test('plugins of a list run in its order, and one that stays is not restarted', async () => {
  const diary = new Diary();
  const define = { a: diary.plugin('a'), b: diary.plugin('b'), c: diary.plugin('c') };
  const side = await managerSide([], { define });
  const worker = await workerSide([], { manager: side });
  await put(side, 'api', ['a', 'b']);
  await side.pools.add('api', server('http://a:1'));
  diary.take();
  await put(side, 'api', ['c', 'b', 'a']);
  assert.equal((await worker.run({ pool: 'api' })).notes, ['c', 'b', 'a']);
  await put(side, 'api', ['b', 'a']);
  assert.equal((await worker.run({ pool: 'api' })).notes, ['b', 'a']);
  await settle();
  assert.equal(diary.take(), ['+m api/c', '+w1 api/c', '-m api/c', '-w1 api/c']);
  for (const end of [worker, side]) await end.close();
});

test('a name that is not in define is refused, with the name that was meant', async () => {
  const side = await managerSide([], { define: { least: leastRequests(), gate: { name: 'gate' } } });
  const error = await rejectionOf(put(side, 'api', ['leats']));
  assert.equal([error.code, error.field], ['INPUT_INVALID', 'plugins']);
  assert.is(error.message, 'plugins[0]: there is no plugin "leats" in define; did you mean "least"?');
  assert.match(
    (await rejectionOf(put(side, 'api', ['gate', 'gate']))).message,
    /named pool:api\/gate already/,
  );
  assert.not(side.pools.hasPool('api'));
  await side.close();
});

test('a plugin that cannot be in a pool is refused with the reason, and leaves nothing behind', async () => {
  const define: Record<string, Plugin> = {
    routing: routes([{ name: 'all', path: '/*', pool: 'default' }]),
    entrance: {
      name: 'entrance',
      worker: ({ hooks }) => void hooks.connection.tap('entrance', () => undefined),
    },
    counts: stats(),
    store: { name: 'store', stored: async () => [] },
    door: { name: 'door', manager: ({ listensOn }) => listensOn('127.0.0.1:1') },
    one: roundRobin(),
    two: leastRequests(),
  };
  const side = await managerSide([roundRobin()], { define });
  const worker = await workerSide([roundRobin()], { manager: side });
  const messages: Record<string, RegExp> = {
    routing: /"routing" \(routes\) decides where requests go, and is not allowed in a pool/,
    entrance: /is never asked in the scope of pool api/,
    counts: /stats adds GET \/stats to the admin API, and is not allowed in a pool/,
    store: /keeps what operators change, and is not allowed in a pool/,
    door: /door listens on an address, and is not allowed in a pool/,
  };
  for (const [name, message] of Object.entries(messages)) {
    assert.match((await rejectionOf(put(side, 'api', [name]))).message, message, name);
  }
  assert.match((await rejectionOf(put(side, 'api', ['one', 'two']))).message, /is the balancer already/);
  assert.not(side.pools.hasPool('api'));
  assert.equal([side.runTime.problems({ kind: 'pool', name: 'api' }), worker.stages.scoped], [[], false]);
  for (const end of [worker, side]) await end.close();
});

test('a start that fails in one worker refuses the write, and what had started ends', async () => {
  const diary = new Diary();
  let failing: number | undefined = 2;
  const picky: Plugin = {
    name: 'picky',
    worker: ({ id }) => {
      if (id === failing) throw new Error('no key');
    },
  };
  const side = await managerSide([], { define: { gate: diary.plugin('gate'), picky } });
  const workers = [await workerSide([], { manager: side }), await workerSide([], { manager: side, id: 2 })];
  const error = await rejectionOf(put(side, 'api', ['gate', 'picky']));
  assert.is(error.message, 'plugin pool:api/picky did not start: no key');
  await settle();
  assert.equal(diary.take().sort(), [
    '+m api/gate',
    '+w1 api/gate',
    '+w2 api/gate',
    '-m api/gate',
    '-w1 api/gate',
    '-w2 api/gate',
  ]);
  assert.not(side.pools.hasPool('api'));
  failing = undefined;
  await put(side, 'api', ['gate', 'picky']);
  assert.equal(diary.take(), ['+m api/gate', '+w1 api/gate', '+w2 api/gate']);
  for (const end of [...workers, side]) await end.close();
});

test('a start that fails in the manager refuses the write before any worker starts anything', async () => {
  const diary = new Diary();
  const lost: Plugin = { ...diary.plugin('lost'), manager: async () => Promise.reject(new Error('no way')) };
  const side = await managerSide([], { define: { lost } });
  const worker = await workerSide([], { manager: side });
  assert.match(
    (await rejectionOf(put(side, 'api', ['lost']))).message,
    /pool:api\/lost did not start: no way/,
  );
  assert.equal(diary.take(), []);
  for (const end of [worker, side]) await end.close();
});

test('a write that the store refuses ends the plugins that were started for it', async () => {
  const diary = new Diary();
  const broken: StateStore = {
    layer: 'api',
    load: async () => [],
    write: async () => Promise.reject(new WeldrError('STORE_UNAVAILABLE', 'the disk is full')),
  };
  const store: Plugin = { name: 'store', manager: async ({ operator }) => await operator.useStore(broken) };
  const side = await managerSide([store], { define: { gate: diary.plugin('gate') } });
  const worker = await workerSide([], { manager: side });
  assert.is((await rejectionOf(put(side, 'api', ['gate']))).code, 'STORE_UNAVAILABLE');
  await settle();
  assert.equal(diary.take().sort(), ['+m api/gate', '+w1 api/gate', '-m api/gate', '-w1 api/gate']);
  for (const end of [worker, side]) await end.close();
});

test('requests that have entered a plugin finish with it', async () => {
  const diary = new Diary();
  const side = await managerSide([roundRobin()], { define: { gate: diary.plugin('gate') } });
  const worker = await workerSide([roundRobin()], { manager: side });
  await put(side, 'api', ['gate']);
  await side.pools.add('api', server('http://a:1'));
  const answer = Promise.withResolvers<number>();
  const pending = worker.run({ pool: 'api', answers: [answer.promise] });
  await settle();
  await put(side, 'api', []);
  await settle();
  assert.not(diary.lines.includes('-w1 api/gate'), 'while the request is under way');
  answer.resolve(200);
  assert.is((await pending).status, 200);
  await settle();
  assert.ok(diary.lines.includes('-w1 api/gate'));
  for (const end of [worker, side]) await end.close();
});

test('a request that never ends keeps a plugin for no longer than a drain', async () => {
  const diary = new Diary();
  const side = await managerSide([roundRobin()], { define: { gate: diary.plugin('gate') } });
  const worker = await workerSide([roundRobin()], { manager: side });
  await put(side, 'api', ['gate']);
  await side.pools.add('api', server('http://a:1'));
  const answer = Promise.withResolvers<number>();
  const pending = worker.run({ pool: 'api', answers: [answer.promise] });
  await settle();
  await put(side, 'api', []);
  await settle();
  await side.clock.advance(30_000);
  await settle();
  assert.ok(diary.lines.includes('-w1 api/gate'));
  answer.resolve(200);
  await pending;
  for (const end of [worker, side]) await end.close();
});

test('a list that leaves the servers of a pool without a balancer is refused', async () => {
  const side = await managerSide([], { define: { least: leastRequests() } });
  const worker = await workerSide(
    [{ name: 'none', worker: ({ hooks }) => void hooks.finished.tap('none', () => {}) }],
    {
      manager: side,
    },
  );
  await put(side, 'api', ['least']);
  await side.pools.add('api', server('http://a:1'));
  // The kit's substitute for a missing balancer would choose as well.
  worker.stages.replace({ kind: 'config' }, []);
  const error = await rejectionOf(put(side, 'api', []));
  assert.is(error.message, 'plugins: no plugin would choose among the servers of pool api; list a balancer');
  for (const end of [worker, side]) await end.close();
});

test('a new worker starts the plugins that are listed', async () => {
  const diary = new Diary();
  const side = await managerSide([], { define: { gate: diary.plugin('gate') } });
  await put(side, 'api', ['gate']);
  await side.pools.add('api', server('http://a:1'));
  const worker = await workerSide([], { manager: side });
  assert.is((await worker.run({ pool: 'api', target: '/no' })).status, 403);
  for (const end of [worker, side]) await end.close();
});

/** A store that receives rows from another node. */
function clusterStore(rows: readonly Row[] = []): { plugin: Plugin; tell(batch: Batch): void } {
  let tell: (batch: Batch) => void = () => {};
  const store: StateStore = {
    layer: 'cluster',
    load: async () => rows,
    write: async () => undefined,
    watch: listener => {
      tell = listener;
    },
  };
  return {
    plugin: { name: 'store', manager: async ({ operator }) => await operator.useStore(store) },
    tell: batch => tell(batch),
  };
}

const mark = { by: 'another node', at: 1 };
const row = (plugins: readonly string[]): Row => ({
  kind: 'pool',
  key: 'api',
  op: 'define',
  value: { plugins },
  ...mark,
});
const ofApi = { kind: 'pool', name: 'api' } as const;

test('a row from another node that names a plugin which define lacks closes the pool, is logged once and shown', async () => {
  const diary = new Diary();
  const store = clusterStore();
  const side = await managerSide([store.plugin], { define: { gate: diary.plugin('gate') } });
  const worker = await workerSide([], { manager: side });
  store.tell({ ...mark, changes: [{ kind: 'pool', key: 'api', row: row(['gate', 'auth']) }] });
  await side.pools.add('api', server('http://a:1'));
  assert.equal(side.runTime.problems(ofApi), ['there is no plugin "auth" in define, which has gate']);
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  const warnings = () => side.logs.filter(({ level, msg }) => level === 'warn' && /auth/.test(msg));
  assert.equal(
    warnings().map(({ msg }) => msg),
    [
      'the pool api lacks a plugin that it lists, and responds with 503 without it: there is no plugin "auth" in define, which has gate',
    ],
  );
  // Other fields of the pool can still be changed.
  await side.pools.write([{ kind: 'pool', key: 'api', op: 'patch', value: { http2: true } }], 'a test');
  assert.is(warnings().length, 1);
  store.tell({ ...mark, changes: [{ kind: 'pool', key: 'api', row: row(['gate']) }] });
  assert.equal(side.runTime.problems(ofApi), []);
  await settle();
  assert.is(
    (await worker.run({ pool: 'api', target: '/no' })).status,
    403,
    'it is open again, to what its plugin admits',
  );
  for (const end of [worker, side]) await end.close();
});

test('a pool that is new in a cluster lets nothing through before its plugins have started', async () => {
  const opened = Promise.withResolvers<void>();
  const slow: Plugin = { name: 'slow', worker: async () => await opened.promise };
  const store = clusterStore();
  const side = await managerSide([store.plugin, roundRobin()], { define: { slow } });
  const worker = await workerSide([roundRobin()], { manager: side });
  store.tell({ ...mark, changes: [{ kind: 'pool', key: 'api', row: row(['slow']) }] });
  const added = side.pools.add('api', server('http://a:1'));
  await settle();
  const early = await worker.run({ pool: 'api' });
  assert.equal([early.status, early.headers.get('retry-after')], [503, '1']);
  opened.resolve();
  await added;
  assert.is((await worker.run({ pool: 'api' })).status, 200);
  for (const end of [worker, side]) await end.close();
});

test('a reload closes and starts them, and one that define lost is a problem until it is back', async () => {
  const diary = new Diary();
  const define = { gate: diary.plugin('gate') };
  const side = await managerSide([], { define });
  await put(side, 'api', ['gate']);
  await side.close();
  const without = await managerSide([], { previous: side, define: {} });
  assert.equal(diary.take(), ['+m api/gate', '-m api/gate']);
  assert.equal(without.runTime.problems(ofApi), ['there is no plugin "gate" in define']);
  await without.close();
  const again = await managerSide([], { previous: without, define });
  assert.equal([diary.take(), again.runTime.problems(ofApi)], [['+m api/gate'], []]);
  await again.close();
});

test('the plugins that stored rows name start with Weldr, before the servers exist', async () => {
  const diary = new Diary();
  const store = clusterStore([row(['gate'])]);
  const side = await managerSide([store.plugin], { define: { gate: diary.plugin('gate') } });
  assert.equal(diary.take(), ['+m api/gate']);
  await side.close();
});

test('an active check of a pool takes over from the config’s, and gives its servers back', async () => {
  const side = await managerSide([healthCheck({ interval: '1h' })], {
    define: { quick: healthCheck({ interval: '2h' }) },
  });
  const { pools } = side;
  await pools.add('api', server('http://127.0.0.1:1'));
  const judges = () => [...(pools.get('api', 'http://127.0.0.1:1')?.complaints.keys() ?? [])];
  pools.verdict('api', 'http://127.0.0.1:1', 'health-check', 'it fails');
  assert.equal(judges(), ['health-check']);
  await put(side, 'api', ['quick']);
  assert.equal(judges(), [], 'a judge no longer in charge withdraws its complaint');
  pools.verdict('api', 'http://127.0.0.1:1', 'pool:api/health-check', 'it fails');
  await put(side, 'api', []);
  await settle();
  assert.equal(judges(), [], 'an ended judge does not complain');
  await side.close();
});

test('a change of one pool keeps the stages of other pools', async () => {
  const diary = new Diary();
  const side = await managerSide([], {
    define: { gate: diary.plugin('gate'), other: diary.plugin('other') },
  });
  const worker = await workerSide([], { manager: side });
  for (const pool of ['a', 'b']) await put(side, pool, ['gate']);
  const { stages, pools } = worker;
  const [a, b, plain] = [
    stages.of(undefined, pools.get('a')),
    stages.of(undefined, pools.get('b')),
    stages.plain,
  ];
  await put(side, 'a', ['gate', 'other']);
  assert.is.not(stages.of(undefined, pools.get('a')), a);
  assert.is(stages.of(undefined, pools.get('b')), b);
  assert.is(stages.plain, plain);
  for (const end of [worker, side]) await end.close();
});

test('a thousand pools that are made and removed with plugins leave nothing behind', async () => {
  const diary = new Diary();
  const define = { gate: diary.plugin('gate', { memory: () => ({}) }), least: leastRequests() };
  const side = await managerSide([roundRobin()], { define });
  const worker = await workerSide([roundRobin()], { manager: side });
  const names = Array.from({ length: 1_000 }, (_, n) => `p${n}`);
  const all = async (op: 'add' | 'remove'): Promise<void> => {
    for (let from = 0; from < names.length; from += 100) {
      const writes = names.slice(from, from + 100).map(key => ({ kind: 'pool', key }));
      const value = { plugins: ['gate', 'least'] };
      await side.pools.write(
        writes.map(write => (op === 'add' ? { ...write, op, value } : { ...write, op })),
        'a test',
      );
    }
  };
  const { pending } = side.clock;
  const families = () => side.sums.collect().map(({ name }) => name);
  await all('add');
  worker.clock.advance(250);
  await settle();
  assert.is(worker.lists.size, 1_000);
  assert.ok(families().includes('gate_seen_total'));
  await all('remove');
  await settle();
  worker.clock.advance(250);
  await settle();
  assert.is(diary.lines.filter(line => line.startsWith('+')).length, 2_000);
  assert.is(diary.lines.filter(line => line.startsWith('-')).length, 2_000);
  assert.equal([worker.lists.size, worker.stages.scoped, side.memory.size], [0, false, 0]);
  assert.not(families().includes('gate_seen_total'));
  assert.not(families().includes('gate_starts_total'));
  assert.equal([...side.pools.state.all], []);
  assert.is(side.clock.pending, pending + 1, 'only the timer of the metrics has come');
  for (const end of [worker, side]) await end.close();
});
