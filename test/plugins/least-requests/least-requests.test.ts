// The least-requests plugin: the kit for balancers, and the power of two choices.
import * as assert from 'uvu/assert';
import { balancerChecks, pool, workerSide } from '../../../core/testing.ts';
import { leastRequests } from '../../../plugins/least-requests/index.ts';
import { LeastBusy } from '../../../plugins/least-requests/least-busy.ts';
import { suite } from '../../support/suite.ts';

const conformance = suite('least-requests as a balancer');
for (const check of balancerChecks(leastRequests(), { distribution: 0.1 }))
  conformance(check.name, check.run);

const many = suite('least-requests with five choices as a balancer');
for (const check of balancerChecks(leastRequests({ choices: 5 }), { distribution: 0.1 }))
  many(check.name, check.run);

const test = suite('least-requests');

test('gives no request to the busy one of two', async () => {
  const side = await workerSide(leastRequests(), { upstreams: ['http://a:1', 'http://b:1'] });
  const slow = Promise.withResolvers<number>();
  const first = side.run({ answers: [slow.promise] });
  const others = [];
  for (let n = 0; n < 20; n++) others.push((await side.run()).upstream?.id);
  slow.resolve(200);
  const busy = (await first).upstream?.id;
  assert.not.ok(others.includes(busy));
  await side.close();
});

test('counts requests in flight relative to weight', () => {
  const servers = pool(['http://a:1', { url: 'http://b:1', weight: 4 }]);
  const [a, b] = servers;
  const leastBusy = new LeastBusy(servers, 2);
  a?.begin();
  for (let n = 0; n < 3; n++) b?.begin();
  assert.is(leastBusy.choose([])?.id, 'http://b:1');
  for (let n = 0; n < 2; n++) b?.begin();
  assert.is(leastBusy.choose([])?.id, 'http://a:1');
});

test('keeps the busiest of many close to the mean, unlike random choice', () => {
  const servers = pool(Array.from({ length: 100 }, (_, n) => `http://10.0.0.${n}:80`));
  const leastBusy = new LeastBusy(servers, 2);
  // Balls that stay in their bins: the theory's own case.
  for (let n = 0; n < 1_000; n++) leastBusy.choose([])?.begin();
  const most = Math.max(...[...servers].map(({ inFlight }) => inFlight));
  assert.ok(most <= 14, `the busiest has ${most} of 1,000 requests among 100`);
});

test('gives a retry an upstream that was not tried, and any when all were', () => {
  const servers = pool(['http://a:1', 'http://b:1']);
  const [a, b] = servers;
  assert.ok(a !== undefined && b !== undefined);
  const leastBusy = new LeastBusy(servers, 2);
  for (let n = 0; n < 20; n++) assert.is(leastBusy.choose([a]), b);
  assert.ok(leastBusy.choose([a, b]) !== undefined);
});

test('refuses to compare only one', async () => {
  const thrown = await workerSide(leastRequests({ choices: 1 })).catch(error => error);
  assert.is(thrown.field, 'plugins[0].choices');
});
