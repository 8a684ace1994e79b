// Rotation: the choice itself, with a pool and nothing else.
import * as assert from 'uvu/assert';
import type { Pool, Upstream } from '../../../core/pool/pool.ts';
import { pool } from '../../../core/testing.ts';
import { Rotation } from '../../../plugins/round-robin/rotation.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const test = suite('Rotation');

const names = 'abcdefghijklmnopqrstuvwxyz';

/** Upstreams a, b, c… with these weights, and a rotation of them. */
function rotationOf(weights: readonly number[]): { rotation: Rotation; upstreams: Upstream[] } {
  const made: Pool = pool(weights.map((weight, n) => ({ url: `http://${names[n] ?? `u${n}`}`, weight })));
  const upstreams = [...made];
  const rotation = new Rotation();
  for (const upstream of upstreams) rotation.put(upstream, upstream.weight);
  return { rotation, upstreams };
}

function choices(rotation: Rotation, count: number): string {
  return Array.from({ length: count }, () => rotation.choose()?.authority ?? '-').join('');
}

/** The most that any upstream is ahead of or behind its share, at any time, over this many choices. */
function worstDeviation(rotation: Rotation, upstreams: readonly Upstream[], total: number): number {
  const counts = new Map<Upstream | undefined, number>(upstreams.map(u => [u, 0]));
  const weight = upstreams.reduce((sum, u) => sum + u.weight, 0);
  let worst = 0;
  for (let n = 1; n <= total; n++) {
    const chosen = rotation.choose();
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
    // Upstreams that are behind show at any time; looking at all of them each time would take too long.
    const look = upstreams.length < 50 || n % 101 === 0 ? upstreams : upstreams.filter(u => u === chosen);
    for (const u of look) worst = Math.max(worst, Math.abs((counts.get(u) ?? 0) - (n * u.weight) / weight));
  }
  return worst;
}

test('takes equal upstreams in turn', () => {
  assert.is(choices(rotationOf([1, 1, 1]).rotation, 7), 'abcabca');
});

test('spreads a heavy upstream over the round', () => {
  const { rotation } = rotationOf([3, 2, 1]);
  assert.is(choices(rotation, 6), 'abacba');
  assert.is([...choices(rotation, 6)].sort().join(''), 'aaabbc');
});

test('chooses nothing when it is empty, and again after the last one left', () => {
  const { rotation, upstreams } = rotationOf([1]);
  assert.is(new Rotation().choose(), undefined);
  for (const upstream of upstreams) rotation.remove(upstream);
  assert.is(rotation.choose(), undefined);
  assert.is(rotation.size, 0);
});

for (const weights of [
  [1, 1, 1, 1, 1, 1, 1],
  [3, 2, 1],
  [5, 1, 1],
  [7, 3, 3, 1],
  [1000, 1],
  [1000, 999, 1],
  [1, 2, 4, 8, 16, 32, 64, 128],
  [1000, ...Array<number>(1000).fill(1)],
]) {
  const short = weights.length > 10 ? '1000 and a thousand times 1' : weights.join(', ');
  test(`is never off by a whole request for weights ${short}`, () => {
    const { rotation, upstreams } = rotationOf(weights);
    const worst = worstDeviation(rotation, upstreams, 20_000);
    assert.ok(worst < 1.000001, `off by ${worst}`);
  });
}

test('is never off by a whole request for any mix of weights', () => {
  const random = randomOf(42);
  for (let n = 0; n < 100; n++) {
    const weights = Array.from({ length: 2 + random(12) }, () => 1 + random(random(2) === 0 ? 5 : 1000));
    const { rotation, upstreams } = rotationOf(weights);
    const worst = worstDeviation(rotation, upstreams, 3000);
    assert.ok(worst < 1.000001, `off by ${worst} for ${weights.join(', ')}`);
  }
});

test('does not drift over millions of choices', () => {
  const { rotation, upstreams } = rotationOf([1, 3, 7]);
  for (let n = 0; n < 11 * 300_000; n++) rotation.choose();
  const worst = worstDeviation(rotation, upstreams, 11);
  assert.ok(worst < 1.000001, `off by ${worst}`);
});

test('shares the rest evenly after an upstream has gone', () => {
  const { rotation, upstreams } = rotationOf([1, 1, 1]);
  choices(rotation, 2);
  const [gone] = upstreams;
  if (gone === undefined) throw new Error('unreachable');
  rotation.remove(gone);
  assert.equal([...choices(rotation, 10)].sort().join(''), 'bbbbbccccc');
});

test('gives a new upstream its share and no burst', () => {
  const { rotation, upstreams } = rotationOf([1, 1, 1, 1]);
  const [first] = upstreams;
  if (first === undefined) throw new Error('unreachable');
  rotation.remove(first);
  choices(rotation, 3000);
  rotation.put(first, 1);
  const seen = choices(rotation, 40);
  assert.is(seen.includes('aa'), false);
  assert.is([...seen].filter(name => name === 'a').length, 10);
});

test('gives an upstream that flaps no more than its share', () => {
  const { rotation, upstreams } = rotationOf([1, 1, 1, 1]);
  const [flapping] = upstreams;
  if (flapping === undefined) throw new Error('unreachable');
  let had = 0;
  for (let n = 0; n < 4000; n++) {
    if (rotation.choose() === flapping) had++;
    rotation.remove(flapping);
    rotation.put(flapping, 1);
  }
  assert.ok(had <= 1001, `it had ${had} of 4000`);
});

test('follows a weight that changes', () => {
  const { rotation, upstreams } = rotationOf([1, 1]);
  const [a] = upstreams;
  if (a === undefined) throw new Error('unreachable');
  choices(rotation, 11);
  rotation.put(a, 3);
  assert.is([...choices(rotation, 40)].filter(name => name === 'a').length, 30);
  rotation.put(a, 1);
  assert.is([...choices(rotation, 40)].filter(name => name === 'a').length, 20);
});

test('skips upstreams that were tried, which keep their turn', () => {
  const { rotation, upstreams } = rotationOf([1, 1, 1]);
  const [a, b] = upstreams;
  if (a === undefined || b === undefined) throw new Error('unreachable');
  assert.is(rotation.choose([a, b])?.authority, 'c');
  assert.is(choices(rotation, 2), 'ab');
});

test('chooses the next in turn when all were tried', () => {
  const { rotation, upstreams } = rotationOf([2, 1]);
  assert.is(rotation.choose(upstreams)?.authority, 'a');
  const worst = worstDeviation(rotationOf([2, 1]).rotation, rotationOf([2, 1]).upstreams, 1);
  assert.ok(worst < 1);
});

test('stays fair while retries skip upstreams of other weights', () => {
  const { rotation, upstreams } = rotationOf([4, 2, 1, 1]);
  const counts = new Map<Upstream | undefined, number>();
  for (let n = 0; n < 8000; n++) {
    const tried = n % 10 === 0 ? upstreams.slice(0, n % 3) : [];
    const chosen = rotation.choose(tried);
    assert.is(chosen !== undefined && tried.includes(chosen), false);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  const [a] = upstreams;
  assert.ok(Math.abs((counts.get(a) ?? 0) - 4000) <= 2, `${counts.get(a)} of 4000`);
});

test('keeps its order and its shares through random changes', () => {
  const upstreams = [...pool(Array.from({ length: 30 }, (_, n) => `http://10.0.0.${n}`))];
  const rotation = new Rotation();
  const inside = new Set<Upstream>();
  const random = randomOf(7);
  for (let n = 0; n < 20_000; n++) {
    const upstream = upstreams[random(30)];
    if (upstream === undefined) continue;
    if (random(3) === 0) {
      rotation.remove(upstream);
      inside.delete(upstream);
    } else {
      rotation.put(upstream, 1 + random(4));
      inside.add(upstream);
    }
    const chosen = rotation.choose();
    assert.is(chosen === undefined ? inside.size === 0 : inside.has(chosen), true);
  }
  for (const upstream of upstreams) rotation.put(upstream, upstream.weight);
  choices(rotation, 300);
  const worst = worstDeviation(rotation, upstreams, 3000);
  assert.ok(worst < 1.000001, `off by ${worst}`);
});
