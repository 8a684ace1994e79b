// The peak-ewma plugin: the kit for balancers, what it remembers of latencies, which upstreams get requests.
import * as assert from 'uvu/assert';
import {
  balancerChecks,
  pool,
  type UpstreamAnswer,
  upstreamRecord,
  workerSide,
} from '../../../core/testing.ts';
import { Fastest } from '../../../plugins/peak-ewma/fastest.ts';
import { peakEwma } from '../../../plugins/peak-ewma/index.ts';
import { PeakLatency } from '../../../plugins/peak-ewma/peak-latency.ts';
import { suite } from '../../support/suite.ts';

const conformance = suite('peak-ewma as a balancer');
for (const check of balancerChecks(peakEwma(), { distribution: 'none' })) conformance(check.name, check.run);

const latency = suite('peak latency');

latency('rises at once and falls with time', () => {
  const peak = new PeakLatency(10_000, 0);
  peak.observe(10, 0);
  peak.observe(500, 0);
  assert.is(peak.valueAt(0), 500);
  assert.ok(Math.abs(peak.valueAt(10_000) - 500 / Math.E) < 0.01);
  // After one decay, a bit over a third of the old value is left.
  peak.observe(10, 10_000);
  assert.ok(Math.abs(peak.valueAt(10_000) - (500 / Math.E + 10 * (1 - 1 / Math.E))) < 0.01);
});

latency('stays valid when the time goes back', () => {
  const peak = new PeakLatency(1_000, 100);
  peak.observe(20, 100);
  peak.observe(10, 50);
  assert.is(peak.valueAt(50), 20);
});

const test = suite('peak-ewma');

const upstreams = ['http://a:1', 'http://b:1'];

/** Answers the first request with `answer`, others with a fast 200; returns how many of 20 its upstream got. */
async function laterShare(answer: UpstreamAnswer, wait = 0): Promise<number> {
  const side = await workerSide(peakEwma(), { upstreams });
  const first = await side.run({ answers: [answer] });
  // The other one is new, and is asked first.
  await side.run({ answers: [{ status: 200, after: 10 }] });
  side.clock.advance(wait);
  let had = 0;
  for (let n = 0; n < 20; n++) {
    const { upstream } = await side.run({ answers: [{ status: 200, after: 10 }] });
    if (upstream === first.attempts[0]) had++;
  }
  await side.close();
  return had;
}

test('avoids an upstream that was slow', async () => {
  assert.is(await laterShare({ status: 200, after: 500 }), 0);
});

test('does not treat an upstream that fails at once as fast', async () => {
  assert.is(await laterShare({ error: 'CONNECT_FAILED', after: 1 }), 0);
  assert.is(await laterShare({ status: 503, after: 1 }), 0);
});

test('counts the time of a request that the client gave up on', async () => {
  assert.is(await laterShare({ error: 'CLIENT_CLOSED', after: 800 }), 0);
});

test('tries a slow upstream again after some time', async () => {
  assert.ok((await laterShare({ status: 200, after: 500 }, 120_000)) > 0);
});

test('gives a new upstream one request, and more when it has answered', async () => {
  const side = await workerSide(peakEwma(), { upstreams: ['http://a:1'] });
  for (let n = 0; n < 5; n++) await side.run({ answers: [{ status: 200, after: 50 }] });
  side.pools.default.set(upstreamRecord('http://new:1'));
  const pending = Promise.withResolvers<UpstreamAnswer>();
  const first = side.run({ answers: [pending.promise] });
  const meanwhile = new Set<string | undefined>();
  for (let n = 0; n < 10; n++)
    meanwhile.add((await side.run({ answers: [{ status: 200, after: 50 }] })).upstream?.id);
  assert.equal([...meanwhile], ['http://a:1']);
  pending.resolve({ status: 200, after: 5 });
  assert.is((await first).upstream?.id, 'http://new:1');
  await side.close();
});

test('includes requests in flight', () => {
  const servers = pool(upstreams);
  const [a, b] = servers;
  assert.ok(a !== undefined && b !== undefined);
  const fastest = new Fastest(servers, 10_000);
  fastest.observe(a, 10, 0);
  fastest.observe(b, 25, 0);
  assert.is(fastest.choose([], 0), a);
  for (let n = 0; n < 2; n++) a.begin();
  assert.is(fastest.choose([], 0), b);
});

test('refuses a decay that forgets at once', async () => {
  const thrown = await workerSide(peakEwma({ decay: '1ms' })).catch(error => error);
  assert.is(thrown.field, 'plugins[0].decay');
});
