// ManagedPools: the rule of the layers, drains, verdicts, ttl, and failures of a store.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { ManagedPools } from '../../../core/pool/managed-pools.ts';
import type { UpstreamRecord } from '../../../core/pool/pool.ts';
import type { PoolChange } from '../../../core/pool/pool-change.ts';
import { maxPools, maxServers } from '../../../core/pool/pool-limits.ts';
import { Pools } from '../../../core/pool/pools.ts';
import type { ServerDefinition } from '../../../core/pool/server-definition.ts';
import { serverKey } from '../../../core/pool/server-kind.ts';
import type { Batch, Row } from '../../../core/state/row.ts';
import type { StateStore } from '../../../core/state/store.ts';
import { FakeClock, settle } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const a = 'http://a:1';
const b = 'http://b:1';

function server(url: string, rest: Partial<ServerDefinition> = {}): ServerDefinition {
  return { url, weight: 1, state: 'active', ...rest };
}

const mark = { by: 'a test', at: 0 };

/** The row of a server. */
function row(id: string, rest: Pick<Row, 'op' | 'value'>, pool = 'default'): Row {
  return { kind: 'server', key: serverKey(pool, id), ...rest, ...mark };
}

/** A batch of one row, as a store reports it. */
const batchOf = (id: string, rest: Pick<Row, 'op' | 'value'> | undefined): Batch => ({
  ...mark,
  changes: [
    { kind: 'server', key: serverKey('default', id), row: rest === undefined ? undefined : row(id, rest) },
  ],
});

/** A store in memory that follows the contract, and can be made to fail or to wait. */
class MemoryStore implements StateStore {
  readonly layer: 'api' | 'cluster';
  readonly written: Batch[] = [];
  failure: WeldrError | undefined = undefined;
  gate: Promise<void> | undefined = undefined;
  tell: (batch: Batch) => void = () => {};
  private readonly initial: readonly Row[];

  constructor(initial: readonly Row[] = [], layer: 'api' | 'cluster' = 'api') {
    this.initial = initial;
    this.layer = layer;
  }

  async load(): Promise<readonly Row[]> {
    return this.initial;
  }

  async write(batch: Batch): Promise<undefined> {
    await this.gate;
    if (this.failure !== undefined) throw this.failure;
    this.written.push(batch);
  }

  watch(listener: (batch: Batch) => void): void {
    this.tell = listener;
  }

  /** What was written, without author and time. */
  get words() {
    return this.written.flatMap(({ changes }) =>
      changes.map(change => [change.row?.op ?? 'forget', change.key, change.row?.value] as const),
    );
  }
}

const setSetting = (pools: ManagedPools, value: object) =>
  pools.write([{ kind: 'setting', key: 'health', op: 'put', value }], 'a test');
const settingOf = (pools: ManagedPools) => pools.state.row('setting', 'health')?.value;

interface World {
  readonly clock: FakeClock;
  readonly pools: ManagedPools;
  /** The numbers of the workers that run. */
  readonly workers: number[];
  /** What a worker would hold that received every change. */
  readonly replica: Pools;
  readonly changes: PoolChange[];
}

function world(workers: number[] = []): World {
  const clock = new FakeClock();
  const pools = new ManagedPools({ clock, drainTimeout: 30_000, workers: () => workers });
  const replica = new Pools();
  const changes: PoolChange[] = [];
  pools.observe({
    changes(batch) {
      for (const change of batch) {
        changes.push(change);
        replica.apply(change);
      }
    },
  });
  return { clock, pools, workers, replica, changes };
}

function states(pools: Pools, name = 'default'): Record<string, string> {
  return Object.fromEntries([...(pools.get(name) ?? [])].map(u => [u.id, u.state]));
}

function record({ pools }: World, id = a): UpstreamRecord {
  const entry = pools.get('default', id);
  if (entry === undefined) throw new Error(`${id} does not exist`);
  return entry.upstream.record;
}

async function failureOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => 'it did not fail',
    error => error,
  );
  return thrown instanceof WeldrError ? thrown.code : String(thrown);
}

// ---

const layers = suite('the layers');

layers('have room for a pool no matter how many were removed', async () => {
  const { pools } = world();
  pools.setConfig({});
  for (let made = 0; made < maxPools; made += 100) {
    const keys = Array.from({ length: 100 }, (_, n) => `pool-${made + n}`);
    await pools.write(
      keys.map(key => ({ kind: 'pool', key, op: 'put', value: {} })),
      'a test',
    );
    await pools.write(
      keys.map(key => ({ kind: 'pool', key, op: 'remove', force: true })),
      'a test',
    );
  }
  await pools.write([{ kind: 'pool', key: 'more', op: 'put', value: {} }], 'a test');
  assert.ok(pools.hasPool('more'));
});

layers('show what the config lists, and follow the config', () => {
  const { pools, replica } = world();
  pools.setConfig({ default: [server(a), server(b)], blue: [server(a)] });
  assert.equal(states(pools.all), { [a]: 'active', [b]: 'active' });
  assert.equal(states(pools.all, 'blue'), { [a]: 'active' });
  assert.is(pools.get('default', a)?.layer, 'config');
  pools.setConfig({ default: [server(b, { weight: 5 })] });
  assert.equal(states(pools.all), { [b]: 'active' });
  assert.is(pools.pool('default')?.get(b)?.weight, 5);
  assert.equal(states(pools.all, 'blue'), {});
  assert.equal(states(replica), { [b]: 'active' });
});

layers('keep what the API added until the API removes it, whatever the config lists', async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  const { created, entry } = await w.pools.add('default', server(b, { weight: 3 }));
  assert.is(created, true);
  assert.equal([entry.layer, entry.upstream.weight], ['api', 3]);
  w.pools.setConfig({ default: [] });
  assert.equal(states(w.pools.all), { [b]: 'active' });
  await w.pools.remove('default', b);
  assert.equal(states(w.pools.all), {});
  assert.equal(states(w.replica), {});
});

layers('keep out what the API removed, over reloads, until the API adds it again', async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  await w.pools.remove('default', a);
  assert.equal(states(w.pools.all), {});
  w.pools.setConfig({ default: [server(a)] });
  assert.equal(states(w.pools.all), {});
  w.pools.setConfig({ default: [] });
  w.pools.setConfig({ default: [server(a)] });
  assert.equal(states(w.pools.all), {});
  assert.is((await w.pools.add('default', server(a))).created, true);
  assert.equal(states(w.pools.all), { [a]: 'active' });
});

layers("let the API's change of a config's server override the config", async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  await w.pools.update('default', a, { weight: 9 });
  w.pools.setConfig({ default: [server(a, { weight: 2, host: 'upstream' })] });
  assert.equal([record(w).weight, record(w).host], [9, 'upstream']);
  assert.is(w.pools.get('default', a)?.layer, 'config');
  w.pools.setConfig({ default: [] });
  assert.equal(states(w.pools.all), {});
});

layers('consist of the config only after a reset', async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  await w.pools.remove('default', a);
  await w.pools.add('default', server(b));
  await setSetting(w.pools, { interval: 1 });
  await w.pools.state.reset('a test');
  assert.equal(states(w.pools.all), { [a]: 'active' });
  assert.is(w.pools.get('default', a)?.layer, 'config');
  assert.is(settingOf(w.pools), undefined);
});

layers('recognise a repeated registration, and update its settings', async () => {
  const w = world();
  await w.pools.add('default', server(a));
  const again = await w.pools.add('default', server(a, { weight: 4 }));
  assert.equal([again.created, record(w).weight], [false, 4]);
});

layers('keep one server in several pools separate', async () => {
  const w = world();
  await w.pools.add('default', server(a));
  await w.pools.add('blue', server(a, { weight: 2 }));
  await w.pools.remove('default', a);
  assert.equal(states(w.pools.all), {});
  assert.equal(states(w.pools.all, 'blue'), { [a]: 'active' });
});

layers('leave no trace of a removed server that no config lists', async () => {
  const w = world();
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  assert.equal([...w.pools.state.all], []);
});

layers('fail with NOT_FOUND for what does not exist', async () => {
  const { pools } = world([1]);
  assert.is(await failureOf(pools.remove('default', a)), 'NOT_FOUND');
  assert.is(await failureOf(pools.update('nowhere', a, { weight: 2 })), 'NOT_FOUND');
  await pools.add('default', server(a));
  await pools.remove('default', a);
  assert.is(await failureOf(pools.update('default', a, { weight: 2 })), 'NOT_FOUND');
});

layers('hold a bounded number of servers', async () => {
  const w = world();
  const many = Array.from({ length: maxServers }, (_, n) =>
    server(`http://10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`),
  );
  w.pools.setConfig({ default: many });
  assert.is(await failureOf(w.pools.add('default', server(a))), 'LIMIT_REACHED');
  const [known] = many;
  if (known !== undefined) assert.is((await w.pools.add('default', known)).created, false);
});

// ---

const stores = suite('the store');

stores('is written before anything changes, and nothing changes when it fails', async () => {
  const w = world([1]);
  const store = new MemoryStore();
  await w.pools.useStore(store);
  w.pools.setConfig({ default: [server(a)] });
  const before = record(w);
  const { revision } = w.pools;
  store.failure = new WeldrError('STORE_UNAVAILABLE');
  assert.is(await failureOf(w.pools.add('default', server(b))), 'STORE_UNAVAILABLE');
  assert.is(await failureOf(w.pools.update('default', a, { weight: 2 })), 'STORE_UNAVAILABLE');
  assert.is(await failureOf(w.pools.remove('default', a)), 'STORE_UNAVAILABLE');
  assert.is(await failureOf(w.pools.remove('default', a, { force: true })), 'STORE_UNAVAILABLE');
  assert.is(await failureOf(w.pools.state.reset('a test')), 'STORE_UNAVAILABLE');
  assert.is(await failureOf(setSetting(w.pools, { interval: 1 })), 'STORE_UNAVAILABLE');
  assert.equal(states(w.pools.all), { [a]: 'active' });
  assert.is(record(w), before);
  assert.is(settingOf(w.pools), undefined);
  assert.is(w.pools.revision, revision);
  store.failure = undefined;
  await w.pools.add('default', server(b));
  assert.equal(Object.keys(states(w.pools.all)), [a, b]);
});

stores('is loaded when it is set', async () => {
  const w = world();
  await w.pools.useStore(
    new MemoryStore([
      row(a, { op: 'remove' }),
      row(b, { op: 'define', value: server(b, { weight: 4 }) }),
      { kind: 'setting', key: 'health', op: 'patch', value: { interval: 5 }, ...mark },
    ]),
  );
  w.pools.setConfig({ default: [server(a), server(b)] });
  assert.equal(states(w.pools.all), { [b]: 'active' });
  assert.is(record(w, b).weight, 4);
  assert.equal(settingOf(w.pools), { interval: 5 });
  assert.is(record(w, b).activeSince, 0);
});

stores('may hold unusable rows: they have no effect, are reported once, and nothing stops', async () => {
  const reported: string[] = [];
  const pools = new ManagedPools({
    clock: new FakeClock(),
    drainTimeout: 0,
    workers: () => [],
    report: ({ kind, key }, problem) => void reported.push(`${kind} ${key}: ${problem}`),
  });
  const later = { ...server(b), mood: 'new' };
  await pools.useStore(
    new MemoryStore([
      { kind: 'server', key: 'nowhere', op: 'define', value: server(a), ...mark },
      { kind: 'server', key: 'default/', op: 'remove', ...mark },
      { kind: 'pool', key: 'no name', op: 'remove', ...mark },
      { kind: 'route', key: 'shop', op: 'define', value: {}, ...mark },
      row(a, { op: 'patch', value: { weight: 'heavy' } }),
      row(b, { op: 'define', value: later }),
    ]),
  );
  pools.setConfig({ default: [server(a)] });
  pools.setConfig({ default: [server(a)] });
  assert.equal(states(pools.all), { [b]: 'active', [a]: 'active' });
  assert.is(pools.get('default', a)?.server.weight, 1);
  assert.is(reported.length, 6);
  assert.ok(reported.some(line => line.includes('knows a route')));
  assert.ok(reported.some(line => line.includes('mood is not known to this version')));
  assert.ok(reported.some(line => line.includes('the value from config is used instead')));
  assert.equal(pools.state.row('server', serverKey('default', b))?.value, later, 'it is kept');
  await pools.update('default', b, { weight: 3 });
  assert.equal(pools.state.row('server', serverKey('default', b))?.value, { ...later, weight: 3 });
  assert.is(
    await failureOf(pools.write([{ kind: 'server', key: 'x', op: 'remove' }], 'me')),
    'INPUT_INVALID',
  );
});

stores('gets the changes of one server in their order, even when a write takes long', async () => {
  const w = world();
  const store = new MemoryStore();
  await w.pools.useStore(store);
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const done = [
    w.pools.add('default', server(a)),
    w.pools.update('default', a, { weight: 2 }),
    w.pools.update('default', a, { host: 'upstream' }),
    w.pools.remove('default', a),
    w.pools.add('default', server(a, { weight: 7 })),
  ];
  gate.resolve();
  await Promise.all(done);
  assert.equal(
    store.words.map(([op]) => op),
    ['define', 'define', 'define', 'forget', 'define'],
  );
  assert.equal(store.words[2]?.[2], { ...server(a), weight: 2, host: 'upstream' });
  assert.is(record(w).weight, 7);
});

stores('takes the next change after one that failed', async () => {
  const w = world();
  const store = new MemoryStore();
  await w.pools.useStore(store);
  store.failure = new WeldrError('CONFLICT');
  const first = failureOf(w.pools.add('default', server(a))).then(code => {
    store.failure = undefined;
    return code;
  });
  const second = first.then(() => {});
  const third = w.pools.update('default', a, { weight: 2 }).catch(error => error.code);
  await second;
  assert.equal([await first, await third], ['CONFLICT', 'NOT_FOUND']);
  await w.pools.add('default', server(a, { weight: 2 }));
  assert.is(record(w).weight, 2);
});

stores('is refused when there already is one', async () => {
  const { pools } = world();
  await pools.useStore(new MemoryStore());
  assert.is(await failureOf(pools.useStore(new MemoryStore())), 'CONFIG_INVALID');
});

layers('drop a pool whose last server drains once no layer has it', () => {
  const { pools } = world([1]);
  pools.setConfig({ blue: [server(a)] });
  assert.is(pools.hasPool('blue'), true);
  pools.setConfig({});
  assert.equal(
    [...pools.list('blue')].map(({ leaving }) => leaving),
    [true],
    'a worker has not reported that it is idle',
  );
  assert.is(pools.hasPool('blue'), false);
});

stores('of a cluster reports changes of other nodes, and names the layer', async () => {
  const w = world();
  const store = new MemoryStore([], 'cluster');
  await w.pools.useStore(store);
  w.pools.setConfig({ default: [server(a)] });
  store.tell(batchOf(b, { op: 'define', value: server(b) }));
  store.tell(batchOf(a, { op: 'remove' }));
  assert.equal(states(w.pools.all), { [b]: 'active' });
  assert.is(w.pools.get('default', b)?.layer, 'cluster');
  store.tell(batchOf(a, undefined));
  assert.equal(Object.keys(states(w.pools.all)).sort(), [a, b]);
});

stores('of a cluster keeps removals, because the config of another node may list the server', async () => {
  const w = world();
  const store = new MemoryStore([], 'cluster');
  await w.pools.useStore(store);
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  assert.equal(store.words.at(-1), ['remove', serverKey('default', a), undefined]);
});

stores('that is set later gets the changes that were made before', async () => {
  const w = world();
  await w.pools.add('default', server(a));
  const store = new MemoryStore();
  await w.pools.useStore(store);
  assert.equal(states(w.pools.all), { [a]: 'active' });
  assert.equal(store.words, [['define', serverKey('default', a), server(a)]]);
});

stores('is released at a reload: servers stay, changes fail until the next one', async () => {
  const w = world();
  await w.pools.useStore(new MemoryStore());
  await w.pools.add('default', server(a));
  const { revision } = w.pools;
  w.pools.releaseStore();
  assert.equal(states(w.pools.all), { [a]: 'active' });
  assert.is(await failureOf(w.pools.add('default', server(b))), 'STORE_UNAVAILABLE');
  const next = new MemoryStore([row(a, { op: 'define', value: server(a) })]);
  await w.pools.useStore(next);
  assert.is(w.pools.revision, revision);
  assert.equal(next.written, []);
  await w.pools.add('default', server(b));
});

stores('is released twice when a reload fails: what another node removed does not come back', async () => {
  const w = world();
  await w.pools.useStore(new MemoryStore([], 'cluster'));
  await w.pools.add('default', server(a));
  w.pools.releaseStore();
  w.pools.releaseStore();
  assert.is(await failureOf(w.pools.add('default', server(b))), 'STORE_UNAVAILABLE');
  const next = new MemoryStore([row(a, { op: 'remove' })], 'cluster');
  await w.pools.useStore(next);
  assert.equal(states(w.pools.all), {});
  assert.equal(next.written, []);
});

stores('is no longer needed when the next config has none', async () => {
  const w = world();
  await w.pools.useStore(new MemoryStore());
  w.pools.releaseStore();
  w.pools.setConfig({});
  await w.pools.add('default', server(a));
  assert.equal(states(w.pools.all), { [a]: 'active' });
});

// ---

const drains = suite('a drain');

drains('stops new requests to the server at once and ends when every worker reports idle', async () => {
  const w = world([1, 2]);
  await w.pools.add('default', server(a));
  let drained = false;
  await w.pools.remove('default', a);
  const waiting = w.pools.drained('default', a).then(() => {
    drained = true;
  });
  assert.equal([record(w).state, record(w).reason], ['draining', 'removed']);
  w.pools.workerIdle(1, 'default', a);
  w.pools.workerIdle(1, 'default', a);
  await settle();
  assert.equal([drained, states(w.replica)], [false, { [a]: 'draining' }]);
  w.pools.workerIdle(2, 'default', a);
  await waiting;
  assert.is(w.pools.get('default', a), undefined);
  assert.equal(states(w.replica), {});
});

drains('of a removed server is bounded', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  const waiting = w.pools.drained('default', a);
  w.clock.advance(29_999);
  assert.is(w.pools.get('default', a) === undefined, false);
  w.clock.advance(1);
  assert.is(w.pools.get('default', a), undefined);
  await waiting;
  assert.is(w.clock.pending, 0);
});

drains('does not wait for a worker that has ended', async () => {
  const w = world([1, 2]);
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  w.pools.workerIdle(1, 'default', a);
  w.pools.workerGone(2);
  assert.is(w.pools.get('default', a), undefined);
});

drains('ends at once when no worker runs, and workers receive its changes in the right order', async () => {
  const w = world();
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  assert.equal(
    w.changes.map(change => change.op),
    ['set', 'set', 'delete'],
  );
  assert.equal(states(w.replica), {});
});

drains('reports the change before it reports that the server is gone', async () => {
  const w = world();
  const seen: string[] = [];
  w.pools.observe({
    upstreamChanged: u => void seen.push(u.state),
    removed: () => void seen.push('gone'),
  });
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  assert.equal(seen, ['active', 'draining', 'gone']);
});

drains('ends when a worker reports idle within the notification', async () => {
  const w = world([1]);
  w.pools.observe({
    changes(batch) {
      for (const change of batch) {
        if (change.op === 'set' && change.upstream.state === 'draining') w.pools.workerIdle(1, 'default', a);
      }
    },
  });
  await w.pools.add('default', server(a));
  await w.pools.remove('default', a);
  assert.is(w.pools.get('default', a), undefined);
  assert.equal(w.clock.pending, 0);
});

drains('is skipped by force, also after it began', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  await w.pools.add('default', server(b));
  await w.pools.remove('default', a, { force: true });
  await w.pools.remove('default', b);
  assert.equal(states(w.replica), { [b]: 'draining' });
  await w.pools.remove('default', b, { force: true });
  assert.equal(states(w.replica), {});
  assert.is(w.clock.pending, 0);
});

drains('by an operator keeps the server', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  await w.pools.update('default', a, { state: 'draining' });
  let drained = false;
  const waiting = w.pools.drained('default', a).then(() => {
    drained = true;
  });
  w.clock.advance(1_000_000);
  await settle();
  assert.is(drained, false);
  w.pools.workerIdle(1, 'default', a);
  await waiting;
  assert.equal([record(w).state, record(w).reason], ['draining', 'draining by an operator']);
  await w.pools.update('default', a, { state: 'active' });
  assert.equal([record(w).state, record(w).reason], ['active', 'active by an operator']);
});

drains('whose server is then removed continues until its requests have ended', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  await w.pools.update('default', a, { state: 'draining' });
  let drained = false;
  const waiting = w.pools.drained('default', a).then(() => {
    drained = true;
  });
  await w.pools.remove('default', a);
  await settle();
  assert.is(drained, false);
  w.pools.workerIdle(1, 'default', a);
  await waiting;
  assert.is(w.pools.get('default', a), undefined);
});

drains('ends when the server is added again in the meantime', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  const before = w.pools.get('default', a)?.upstream;
  await w.pools.remove('default', a);
  assert.is((await w.pools.add('default', server(a))).created, true);
  w.clock.advance(60_000);
  w.pools.workerIdle(1, 'default', a);
  assert.is(record(w).state, 'active');
  assert.is(w.pools.get('default', a)?.upstream, before);
});

drains('needs no wait when none is under way', async () => {
  const w = world([1]);
  await w.pools.add('default', server(a));
  await w.pools.drained('default', a);
  await w.pools.drained('default', 'http://unknown:1');
});

// ---

const verdicts = suite('a verdict');

verdicts('takes a server out while any plugin complains', () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  w.pools.verdict('default', a, 'health-check', 'connect ECONNREFUSED');
  w.pools.verdict('default', a, 'passive-health', 'too many errors');
  assert.equal([record(w).state, record(w).reason], ['down', 'health-check: connect ECONNREFUSED']);
  w.pools.verdict('default', a, 'health-check', undefined);
  assert.equal([record(w).state, record(w).reason], ['down', 'passive-health: too many errors']);
  w.pools.verdict('default', a, 'passive-health', undefined);
  assert.equal([record(w).state, record(w).reason], ['active', 'healthy again']);
  assert.equal(states(w.replica), { [a]: 'active' });
});

verdicts('does not change the state that an operator set', async () => {
  const w = world();
  await w.pools.add('default', server(a, { state: 'disabled' }));
  w.pools.verdict('default', a, 'health-check', 'unwell');
  assert.equal([record(w).state, record(w).reason], ['disabled', 'disabled by an operator']);
  await w.pools.update('default', a, { state: 'active' });
  assert.is(record(w).state, 'down');
});

verdicts('of an unknown server, or a repeated one, changes nothing', () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  w.pools.verdict('default', b, 'health-check', 'unwell');
  w.pools.verdict('default', a, 'health-check', undefined);
  w.pools.verdict('default', a, 'health-check', 'unwell');
  const { revision } = w.pools;
  w.pools.verdict('default', a, 'health-check', 'unwell');
  assert.is(w.pools.revision, revision);
});

verdicts('is kept over a reload, and dropped with a checker that is gone', () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  w.pools.verdict('default', a, 'health-check', 'unwell');
  w.pools.setConfig({ default: [server(a, { weight: 3 })] });
  assert.equal([record(w).state, record(w).weight], ['down', 3]);
  w.pools.retain(['health-check']);
  assert.is(record(w).state, 'down');
  w.pools.retain(['stats']);
  assert.is(record(w).state, 'active');
});

verdicts('sets the time since which a server is active, 0 for those of the start', async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  assert.is(record(w).activeSince, 0);
  await w.pools.add('default', server(b));
  assert.is(record(w, b).activeSince, w.clock.now());
  w.pools.verdict('default', a, 'health-check', 'unwell');
  w.clock.advance(5000);
  w.pools.verdict('default', a, 'health-check', undefined);
  assert.is(record(w).activeSince, w.clock.now());
  const since = w.clock.now();
  w.clock.advance(5000);
  await w.pools.update('default', a, { weight: 2 });
  assert.is(record(w).activeSince, since);
});

verdicts('can come with a report for people', () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  const report = {
    status: 'passing',
    checkedAt: 1,
    detail: '200',
    consecutiveFailures: 0,
    consecutivePasses: 2,
  } as const;
  w.pools.reportHealth('default', a, 'health-check', report);
  w.pools.reportHealth('default', b, 'health-check', report);
  assert.equal(w.pools.get('default', a)?.health, report);
});

// ---

const ttls = suite('a ttl');

ttls('lets a server leave that was not registered again in time', async () => {
  const w = world();
  await w.pools.add('default', server(a, { ttl: 5000 }));
  w.clock.advance(4000);
  await w.pools.add('default', server(a, { ttl: 5000 }));
  await w.clock.advanceAsync(4999);
  assert.equal(states(w.pools.all), { [a]: 'active' });
  await w.clock.advanceAsync(1);
  assert.equal(states(w.pools.all), {});
  assert.equal([...w.pools.state.all], []);
  assert.is(w.clock.pending, 0);
});

ttls("leaves the config's server in place, with the config's settings", async () => {
  const w = world();
  w.pools.setConfig({ default: [server(a)] });
  await w.pools.add('default', server(a, { ttl: 5000, weight: 9 }));
  await w.clock.advanceAsync(5000);
  assert.equal([record(w).state, record(w).weight], ['active', 1]);
  assert.is(w.pools.get('default', a)?.layer, 'config');
});

ttls('ends when the server is registered without one', async () => {
  const w = world();
  await w.pools.add('default', server(a, { ttl: 5000 }));
  await w.pools.add('default', server(a));
  await w.clock.advanceAsync(10_000);
  assert.equal(states(w.pools.all), { [a]: 'active' });
});

ttls('waits for a store that is away', async () => {
  const w = world();
  const store = new MemoryStore();
  await w.pools.useStore(store);
  await w.pools.add('default', server(a, { ttl: 5000 }));
  store.failure = new WeldrError('STORE_UNAVAILABLE');
  await w.clock.advanceAsync(8000);
  assert.equal(states(w.pools.all), { [a]: 'active' });
  store.failure = undefined;
  await w.clock.advanceAsync(1000);
  assert.equal(states(w.pools.all), {});
});

ttls('that ends while the server is being registered again has no effect', async () => {
  const w = world();
  const store = new MemoryStore();
  await w.pools.useStore(store);
  await w.pools.add('default', server(a, { ttl: 5000 }));
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const again = w.pools.add('default', server(a, { ttl: 5000 }));
  await w.clock.advanceAsync(5000);
  gate.resolve();
  await again;
  await settle();
  assert.equal(states(w.pools.all), { [a]: 'active' });
});

// ---

const following = suite('a follower of the pools');

following('can build a replica from a snapshot and the changes after it', async () => {
  const w = world([1]);
  w.pools.setConfig({ default: [server(a)], blue: [server(b)] });
  const late = new Pools();
  for (const change of w.pools.snapshot()) late.apply(change);
  w.pools.observe({ changes: changes => changes.forEach(change => void late.apply(change)) });
  await w.pools.add('default', server(b));
  w.pools.verdict('default', a, 'test', 'unwell');
  await w.pools.remove('blue', b, { force: true });
  for (const name of ['default', 'blue']) assert.equal(states(late, name), states(w.pools.all, name));
});

following('sees revisions without gaps', async () => {
  const w = world([1]);
  const seen: number[] = [];
  w.pools.observe({ changes: (_, revision) => void seen.push(revision) });
  w.pools.setConfig({ default: [server(a), server(b)] });
  await w.pools.update('default', a, { weight: 2 });
  await w.pools.remove('default', b);
  assert.equal(
    seen,
    seen.map((_, n) => n + 1),
  );
  assert.is(w.pools.revision, seen.length);
});

following('receives definitions until it stops', async () => {
  const w = world();
  const seen: unknown[] = [];
  const stop = w.pools.observe({
    defined: entry => void seen.push(['defined', entry.upstream.id, entry.server.weight]),
  });
  await w.pools.add('default', server(a, { weight: 2 }));
  assert.equal(seen, [['defined', a, 2]]);
  stop();
  await w.pools.add('default', server(b));
  assert.is(seen.length, 1);
});

stores(
  'a write that others have overtaken is replaced at once by theirs, and has no further effect',
  async () => {
    const { pools } = world();
    const overtaking: StateStore = {
      layer: 'cluster',
      load: async () => [],
      // As when a watch reports another node's write before this one is answered.
      write: async ({ changes }) => ({
        by: 'another node',
        at: 2,
        changes: changes.map(({ kind, key, row }) => ({
          kind,
          key,
          row: row && { ...row, value: { ...row.value, weight: 7 }, by: 'another node', at: 2 },
        })),
      }),
    };
    await pools.useStore(overtaking);
    await pools.add('default', server('http://a:1', { weight: 3 }));
    assert.is(pools.get('default', 'http://a:1')?.server.weight, 7);
    assert.is(pools.state.row('server', 'default/http://a:1')?.by, 'another node');
  },
);
