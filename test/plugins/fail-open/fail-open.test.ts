// The fail-open plugin: which servers get requests when none is available.
import * as assert from 'uvu/assert';
import { upstreamRecord, workerSide } from '../../../core/testing.ts';
import { failOpen } from '../../../plugins/fail-open/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('fail-open');

const down = (url: string) => ({ url, state: 'down' as const });

test('takes turns among servers that are down when none is available', async () => {
  const side = await workerSide([roundRobin(), failOpen()], {
    upstreams: [down('http://a:1'), down('http://b:1'), down('http://c:1')],
  });
  const chosen: (string | undefined)[] = [];
  for (let n = 0; n < 6; n++) chosen.push((await side.run()).upstream?.id);
  assert.is(new Set(chosen.slice(0, 3)).size, 3);
  assert.equal(chosen.slice(3), chosen.slice(0, 3));
});

test('leaves the choice to the balancer as soon as one is available', async () => {
  const side = await workerSide([roundRobin(), failOpen()], {
    upstreams: [down('http://a:1'), down('http://b:1')],
  });
  await side.run();
  side.pools.default.set(upstreamRecord('http://b:1'));
  for (let n = 0; n < 10; n++) assert.is((await side.run()).upstream?.id, 'http://b:1');
  side.pools.default.set(upstreamRecord(down('http://b:1')));
  const seen = new Set<string | undefined>();
  for (let n = 0; n < 10; n++) seen.add((await side.run()).upstream?.id);
  assert.is(seen.size, 2);
});

test('never gives a request to servers that drain or are disabled', async () => {
  const side = await workerSide([roundRobin(), failOpen()], {
    upstreams: [
      { url: 'http://a:1', state: 'draining' },
      { url: 'http://b:1', state: 'disabled' },
    ],
  });
  assert.is((await side.run()).status, 503);
  side.pools.default.set(upstreamRecord(down('http://c:1')));
  for (let n = 0; n < 5; n++) assert.is((await side.run()).upstream?.id, 'http://c:1');
});

test('replies 503 for an empty pool', async () => {
  const side = await workerSide([roundRobin(), failOpen()]);
  assert.is((await side.run()).status, 503);
});

test('tries servers that are down before the fallback of their pool', async () => {
  const side = await workerSide([roundRobin(), failOpen()], {
    upstreams: { default: [down('http://a:1')], spare: ['http://s:1'] },
    fallbacks: { default: 'spare' },
  });
  assert.is((await side.run()).upstream?.id, 'http://a:1');
});

test('keeps pools separate', async () => {
  const side = await workerSide([roundRobin(), failOpen()], {
    upstreams: { default: [down('http://a:1')], other: [down('http://b:1')] },
  });
  assert.is((await side.run()).upstream?.id, 'http://a:1');
  assert.is((await side.run({ pool: 'other' })).upstream?.id, 'http://b:1');
});
