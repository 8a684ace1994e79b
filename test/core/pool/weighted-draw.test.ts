// Drawing upstreams at random: shares by weight, changes of the pool, tried upstreams.
import * as assert from 'uvu/assert';
import { WeightedDraw } from '../../../core/pool/weighted-draw.ts';
import { pool, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('weighted draw');

/** Numbers evenly spread between 0 and 1, each once. */
function evenly(count: number): () => number {
  let n = 0;
  return () => ((n++ % count) + 0.5) / count;
}

function sharesOf(draw: WeightedDraw, draws: number): Record<string, number> {
  const shares: Record<string, number> = {};
  for (let n = 0; n < draws; n++) {
    const id = draw.next()?.id ?? 'none';
    shares[id] = (shares[id] ?? 0) + 1;
  }
  return shares;
}

test('draws in exact proportion to the weights', () => {
  const weights = [1, 2, 3, 4, 10];
  const servers = weights.map((weight, n) => ({ url: `http://10.0.0.${n}:8080`, weight }));
  const shares = sharesOf(new WeightedDraw(pool(servers), evenly(20_000)), 20_000);
  for (const { url, weight } of servers) {
    assert.ok(
      Math.abs((shares[url] ?? 0) - weight * 1_000) <= 5,
      `${url}: ${shares[url]} of weight ${weight}`,
    );
  }
});

test('draws equally when all weights are the same', () => {
  const servers = ['http://a:1', 'http://b:1', 'http://c:1', 'http://d:1'];
  assert.equal(
    Object.values(sharesOf(new WeightedDraw(pool(servers), evenly(400)), 400)),
    [100, 100, 100, 100],
  );
});

test('follows the pool: members, weights, none at all', () => {
  const servers = pool(['http://a:1', { url: 'http://b:1', weight: 3 }]);
  const draw = new WeightedDraw(servers, evenly(1_000));
  assert.ok(Math.abs((sharesOf(draw, 1_000)['http://b:1'] ?? 0) - 750) <= 2);
  servers.set(upstreamRecord({ url: 'http://b:1', weight: 1 }));
  assert.equal(sharesOf(draw, 1_000)['http://b:1'], 500);
  servers.set(upstreamRecord({ url: 'http://a:1', state: 'down' }));
  assert.equal(sharesOf(draw, 1_000), { 'http://b:1': 1_000 });
  servers.delete('http://b:1');
  assert.is(draw.next(), undefined);
  assert.is(draw.nextUntried([]), undefined);
});

test('finds the upstream that was not tried, even when it is almost never drawn', () => {
  const servers = pool([
    { url: 'http://a:1', weight: 1_000 },
    { url: 'http://b:1', weight: 1_000 },
    'http://c:1',
  ]);
  const draw = new WeightedDraw(servers, () => 0);
  const tried = [...servers].slice(0, 2);
  assert.is(draw.nextUntried(tried)?.id, 'http://c:1');
  assert.is(draw.nextUntried([...servers]), undefined);
  assert.is(draw.nextUntried(tried, servers.get('http://c:1')), undefined);
});

test('finds untried upstreams beside one that is nearly always drawn, in a pool of any size', () => {
  const few = Array.from({ length: 60 }, (_, n) => `http://b${n}:1`);
  const servers = pool([{ url: 'http://a:1', weight: 1_000 }, ...few]);
  const draw = new WeightedDraw(servers, () => 0);
  const [heavy] = servers;
  assert.ok(heavy !== undefined && draw.next() === heavy);
  const one = draw.nextUntried([heavy]);
  assert.ok(one !== undefined && one !== heavy);
  const other = draw.nextUntried([heavy], one);
  assert.ok(other !== undefined && other !== heavy && other !== one);
});
