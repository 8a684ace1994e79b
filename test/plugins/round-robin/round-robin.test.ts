// The round-robin plugin: its stage, its pools, its slow start.
import * as assert from 'uvu/assert';
import {
  balancerChecks,
  context,
  managerSide,
  pool,
  upstreamRecord,
  workerSide,
} from '../../../core/testing.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const conformance = suite('round-robin as a balancer');
for (const check of balancerChecks(roundRobin())) conformance(check.name, check.run);

const warm = suite('round-robin with slow start as a balancer');
for (const check of balancerChecks(roundRobin({ slowStart: '30s' }))) warm(check.name, check.run);

const test = suite('round-robin');

async function count(
  side: Awaited<ReturnType<typeof workerSide>>,
  requests: number,
  url: string,
): Promise<number> {
  let had = 0;
  for (let n = 0; n < requests; n++) if ((await side.run()).upstream?.id === url) had++;
  return had;
}

test('refuses unknown options and invalid durations', async () => {
  for (const options of [{ slowstart: '1s' }, { slowStart: 'soon' }, { slowStart: -1 }]) {
    const thrown = await workerSide(roundRobin(options as object)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
    assert.match(thrown.field, /^plugins\[0\]\.slow[sS]tart$/);
  }
});

test('starts at a different upstream in each worker', async () => {
  const upstreams = Array.from({ length: 8 }, (_, n) => `http://10.0.0.${n + 1}`);
  const first = new Set<string | undefined>();
  for (let id = 1; id <= 8; id++) {
    const side = await workerSide(roundRobin(), { upstreams, id });
    first.add((await side.run()).upstream?.id);
  }
  assert.ok(first.size >= 6, `8 workers began at ${first.size} upstreams`);
});

test('chooses from a pool that a routing plugin created', async () => {
  const side = await workerSide(roundRobin());
  const chosen = await side.select(context({ pool: pool(['http://a:1'], 'elsewhere') }));
  assert.is((chosen as { id: string }).id, 'http://a:1');
});

test('ramps up an upstream that comes back from a tenth to its whole weight', async () => {
  const manager = await managerSide(roundRobin(), { servers: ['http://a:1', 'http://b:1'] });
  const side = await workerSide(roundRobin({ slowStart: '10s' }), { manager });
  assert.is(await count(side, 100, 'http://a:1'), 50);
  manager.pools.verdict('default', 'http://a:1', 'test', 'unwell');
  assert.is(await count(side, 100, 'http://a:1'), 0);
  manager.pools.verdict('default', 'http://a:1', 'test', undefined);

  const near = (had: number, share: number) =>
    assert.ok(Math.abs(had - share) <= 2, `${had} instead of ${share}`);
  near(await count(side, 1100, 'http://a:1'), 100);
  side.clock.advance(4000);
  near(await count(side, 1500, 'http://a:1'), 500);
  side.clock.advance(6000);
  near(await count(side, 1000, 'http://a:1'), 500);
  assert.is(side.clock.pending, 0);
});

test('gives the whole share at once without slow start, and to all upstreams of the start', async () => {
  const manager = await managerSide(roundRobin(), { servers: ['http://a:1', 'http://b:1'] });
  const atOnce = await workerSide(roundRobin(), { manager, id: 1 });
  const ramped = await workerSide(roundRobin({ slowStart: '10s' }), { manager, id: 2 });
  assert.is(await count(ramped, 100, 'http://a:1'), 50);
  manager.pools.verdict('default', 'http://a:1', 'test', 'unwell');
  await count(atOnce, 10, 'http://a:1');
  manager.pools.verdict('default', 'http://a:1', 'test', undefined);
  assert.is(await count(atOnce, 100, 'http://a:1'), 50);
});

test('ends its ramp when the upstream is removed or the plugin is closed', async () => {
  const side = await workerSide(roundRobin({ slowStart: '10s' }), { upstreams: ['http://a:1'] });
  const activeSince = side.clock.now();
  side.pools.default.set(upstreamRecord({ url: 'http://b:1', activeSince }));
  await side.run();
  assert.is(side.clock.pending, 1);
  side.pools.default.delete('http://b:1');
  side.clock.advance(1000);
  assert.is(side.clock.pending, 0);
  side.pools.default.set(upstreamRecord({ url: 'http://c:1', activeSince }));
  assert.is(side.clock.pending, 1);
  await side.close();
  assert.is(side.clock.pending, 0);
});

test('starts the ramp again when the wall clock was set back', async () => {
  const side = await workerSide(roundRobin({ slowStart: '10s' }), { upstreams: ['http://a:1'] });
  side.pools.default.set(upstreamRecord({ url: 'http://b:1', activeSince: side.clock.now() + 5000 }));
  assert.is(await count(side, 110, 'http://b:1'), 10);
});

test('chooses from 10,000 upstreams, also while they go down and come back', async () => {
  const upstreams = Array.from({ length: 10_000 }, (_, n) => `http://10.0.${n >> 8}.${n & 255}`);
  const side = await workerSide(roundRobin(), { upstreams });
  const all = side.pools.default;
  const ctx = context({ pool: all });
  await side.select(ctx);
  for (const url of upstreams.slice(0, 9_000)) all.set(upstreamRecord({ url, state: 'down' }));
  const seen = new Set<unknown>();
  for (let n = 0; n < 1000; n++) seen.add(await side.select(ctx));
  assert.is(seen.size, 1000);
  for (const url of upstreams.slice(0, 9_000)) all.set(upstreamRecord(url));
  for (let n = 0; n < 10_000; n++) seen.add(await side.select(ctx));
  assert.is(seen.size, 10_000);
});
