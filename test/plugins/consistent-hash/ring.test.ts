// The ring of hashes: which upstream has a key, what moves when upstreams come and go, shares, limits.
import * as assert from 'uvu/assert';
import { hashOf } from '../../../core/pool/hash.ts';
import type { Upstream } from '../../../core/pool/pool.ts';
import { pool } from '../../../core/testing.ts';
import { Ring } from '../../../plugins/consistent-hash/ring.ts';
import { suite } from '../../support/suite.ts';

const test = suite('consistent hashing');

const keys = Array.from({ length: 20_000 }, (_, n) => hashOf(`key-${n}`));
const anyone = (): boolean => true;

function servers(count: number): Upstream[] {
  return [...pool(Array.from({ length: count }, (_, n) => `http://10.0.${n >> 8}.${n & 255}:8080`))];
}

function ringOf(upstreams: readonly Upstream[], weight = 1): Ring {
  const ring = new Ring();
  for (const upstream of upstreams) ring.add(upstream, weight);
  return ring;
}

const ownersOn = (ring: Ring): (string | undefined)[] => keys.map(key => ring.find(key, anyone, 1)?.id);

test('gives a key to the same upstream, whatever order they were added in', () => {
  const upstreams = servers(10);
  assert.equal(ownersOn(ringOf(upstreams)), ownersOn(ringOf(upstreams.toReversed())));
});

test('moves the keys of an upstream that leaves, and no others', () => {
  const upstreams = servers(10);
  const ring = ringOf(upstreams);
  const before = ownersOn(ring);
  const [gone] = upstreams;
  assert.ok(gone !== undefined);
  ring.remove(gone);
  const after = ownersOn(ring);
  const heirs = new Set<string | undefined>();
  for (const [n, owner] of before.entries()) {
    if (owner === gone.id) heirs.add(after[n]);
    else assert.is(after[n], owner);
  }
  assert.is(heirs.size, 9, 'the keys spread over all others');
  ring.add(gone, 1);
  assert.equal(ownersOn(ring), before);
});

test('shares keys by weight, within what 128 points allow', () => {
  const [a, b, c] = servers(3);
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const ring = new Ring();
  ring.add(a, 1);
  ring.add(b, 2);
  ring.add(c, 5);
  const counts = new Map<string | undefined, number>();
  for (const owner of ownersOn(ring)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  for (const [upstream, share] of [
    [a, 1 / 8],
    [b, 2 / 8],
    [c, 5 / 8],
  ] as const) {
    const got = (counts.get(upstream.id) ?? 0) / keys.length;
    assert.ok(Math.abs(got - share) < share * 0.3, `${got} instead of ${share}`);
  }
});

test('keeps the proportions of weights that would ask for too many points', () => {
  const [a, b] = servers(2);
  assert.ok(a !== undefined && b !== undefined);
  const ring = new Ring();
  ring.add(a, 10);
  ring.add(b, 1_000);
  while (ring.isExcessive) ring.trim();
  let light = 0;
  for (const owner of ownersOn(ring)) if (owner === a.id) light++;
  assert.ok(light > 80 && light < 400, `${light} of 20,000 keys for a hundredth of the weight`);
});

test('continues round the ring past upstreams that are not accepted, and stops after a while', () => {
  const upstreams = servers(4);
  const ring = ringOf(upstreams);
  for (const key of keys.slice(0, 200)) {
    const first = ring.find(key, anyone, 1);
    const next = ring.find(key, upstream => upstream !== first, 1_000);
    assert.ok(next !== undefined && next !== first);
    assert.is(
      ring.find(key, () => false, 50),
      first,
    );
  }
  assert.is(new Ring().find(1, anyone, 10), undefined);
});

test('is empty again when all have left', () => {
  const upstreams = servers(50);
  const ring = ringOf(upstreams, 3);
  for (const upstream of upstreams) ring.remove(upstream);
  assert.is(ring.size, 0);
  assert.is(ring.weight, 0);
  assert.is(ring.find(1, anyone, 10), undefined);
});

test('spreads hashes of texts that are alike', () => {
  const low = new Set<number>();
  for (let n = 0; n < 1_000; n++) low.add(hashOf(`10.0.0.${n}`) >>> 20);
  assert.ok(low.size > 800, `${low.size} of 4,096 parts for 1,000 addresses`);
});
