// Zones and subsets: to which servers of a pool one Weldr of a fleet sends requests.
import * as assert from 'uvu/assert';
import { Pool, type Upstream } from '../../../core/pool/pool.ts';
import type { PoolSettings } from '../../../core/pool/pool-settings.ts';
import { Pools } from '../../../core/pool/pools.ts';
import { subsetStart, type Vantage } from '../../../core/pool/vantage.ts';
import { type UpstreamInput, upstreamRecord } from '../../../core/testing.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const ids = (upstreams: Iterable<Upstream>): string[] => [...upstreams].map(({ id }) => id).sort();
const urlOf = (n: number): string => `http://10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
const inZone = (zone: string, from: number, count: number): UpstreamInput[] =>
  Array.from({ length: count }, (_, n) => ({ url: urlOf(from + n), zone }));

const here: Vantage = { worker: 0, workers: 1, zone: 'here', start: 0.25 };

function seen(upstreams: readonly UpstreamInput[], settings: PoolSettings = {}, vantage = here): Pool {
  const pool = new Pool('default');
  pool.setSettings(settings);
  pool.lookFrom(vantage);
  pool.hold();
  for (const upstream of upstreams) pool.set(upstreamRecord(upstream));
  pool.release();
  return pool;
}

const zones = suite('zones');

/** The part of the weights that is in another zone. */
const partElsewhere = (pool: Pool): number => {
  let [all, others] = [0, 0];
  for (const { weight, zone } of pool.available) {
    all += weight;
    if (zone !== 'here') others += weight;
  }
  return others / all;
};

zones('give requests only to servers of Weldr’s own zone while enough of them are active', () => {
  const pool = seen([...inZone('here', 0, 10), ...inZone('there', 10, 10)]);
  assert.equal(ids(pool.available), ids([...pool].filter(({ zone }) => zone === 'here')));
  for (let n = 0; n < 3; n++) pool.set(upstreamRecord({ url: urlOf(n), zone: 'here', state: 'down' }));
  assert.is(partElsewhere(pool), 0);
  assert.is(pool.available.length, 7);
});

zones(
  'give other zones what its own zone cannot take, in proportion, and everything when that has no server',
  () => {
    const pool = seen([...inZone('here', 0, 10), ...inZone('there', 10, 20)]);
    for (let down = 4; down <= 10; down++) {
      for (let n = 0; n < down; n++) pool.set(upstreamRecord({ url: urlOf(n), zone: 'here', state: 'down' }));
      const expected = 1 - (10 - down) / 10 / 0.7;
      const part = partElsewhere(pool);
      assert.ok(Math.abs(part - expected) < 0.03, `${down} down: ${part}, not ${expected}`);
      assert.is(pool.available.length, 10 - down + 20);
    }
    for (const { weight } of pool.available) assert.is(weight, 1);
  },
);

zones('give no server of another zone more than one of its own', () => {
  const pool = seen([...inZone('here', 0, 10), ...inZone('there', 10, 2)]);
  for (let n = 0; n < 6; n++) pool.set(upstreamRecord({ url: urlOf(n), zone: 'here', state: 'down' }));
  assert.equal(new Set(pool.available.map(({ weight }) => weight)), new Set([1]));
  assert.is(pool.available.length, 6);
});

zones('are counted by weight, without those that an operator took out', () => {
  const pool = seen([
    { url: urlOf(0), zone: 'here', weight: 8 },
    { url: urlOf(1), zone: 'here', weight: 2 },
    { url: urlOf(2), zone: 'here', weight: 90, state: 'draining' },
    ...inZone('there', 10, 2),
  ]);
  pool.set(upstreamRecord({ url: urlOf(1), zone: 'here', weight: 2, state: 'down' }));
  assert.equal(ids(pool.available), [urlOf(0)]);
});

zones('do nothing if Weldr has no zone, if no server is in it, or if the pool turns them off', () => {
  const servers = [...inZone('a', 0, 2), ...inZone('b', 2, 2)];
  const nowhere = { ...here, zone: undefined };
  assert.is(seen(servers, {}, nowhere).available.length, 4);
  assert.is(seen(servers).available.length, 4);
  const inA = { ...here, zone: 'a' };
  assert.is(seen(servers, {}, inA).available.length, 2);
  assert.is(seen(servers, { zonePreference: false }, inA).available.length, 4);
});

zones('follow the threshold and its changes', () => {
  const pool = seen([...inZone('here', 0, 4), ...inZone('there', 4, 4)], {
    zonePreference: { threshold: 0.5 },
  });
  for (let n = 0; n < 2; n++) pool.set(upstreamRecord({ url: urlOf(n), zone: 'here', state: 'down' }));
  assert.is(partElsewhere(pool), 0);
  pool.setSettings({ zonePreference: { threshold: 1 } });
  assert.ok(Math.abs(partElsewhere(pool) - 0.5) < 0.03);
  pool.setSettings({ zonePreference: false });
  assert.is(pool.available.length, 6);
  for (const { weight } of pool.available) assert.is(weight, 1);
  pool.setSettings({});
  assert.ok(Math.abs(partElsewhere(pool) - (1 - 0.5 / 0.7)) < 0.03);
});

zones('precede backups, among which they apply as well', () => {
  const backups = [...inZone('here', 4, 2), ...inZone('there', 6, 2)].map(one => ({
    ...(one as object),
    backup: true,
  }));
  const pool = seen([...inZone('there', 0, 1), ...(backups as UpstreamInput[])]);
  assert.equal(ids(pool.available), [urlOf(0)]);
  pool.set(upstreamRecord({ url: urlOf(0), zone: 'there', state: 'down' }));
  assert.equal(ids(pool.available), [urlOf(4), urlOf(5)]);
  assert.equal(ids(pool.standby), [urlOf(6), urlOf(7)]);
});

const subsets = suite('subsets');

const subsetOf = (pool: Pool): Set<string> => new Set(ids(pool.available));
const nowhere = (start: number): Vantage => ({ worker: 0, workers: 1, start });
const members = (count: number): number[] => Array.from({ length: count }, (_, n) => subsetStart(n, ''));

subsets('have the size that the pool sets, and are the same for all workers and any order of servers', () => {
  const servers = inZone('a', 0, 100);
  const one = seen(servers, { subset: { size: 10 } }, nowhere(0.4));
  const other = seen(servers.toReversed(), { subset: { size: 10 } }, { ...nowhere(0.4), worker: 1 });
  assert.is(one.available.length, 10);
  assert.equal(ids(one.available), ids(other.available));
  assert.is(one.standbyCount, 90);
  assert.is(seen(servers.slice(0, 7), { subset: { size: 10 } }, nowhere(0.4)).available.length, 7);
});

subsets('of numbered Weldrs give each server about the same number of Weldrs', () => {
  for (const [weldrs, servers, size] of [
    [12, 60, 10],
    [100, 1000, 20],
    [40, 300, 20],
  ] as const) {
    const counts = new Map<string, number>();
    for (const start of members(weldrs)) {
      const pool = seen(inZone('a', 0, servers), { subset: { size } }, nowhere(start));
      for (const { id } of pool.available) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const mean = (weldrs * size) / servers;
    assert.is(counts.size, servers);
    for (const count of counts.values()) assert.ok(Math.abs(count - mean) <= 2, `${count}, mean ${mean}`);
  }
});

subsets('change by at most two servers when one is added or removed, and by one when one is down', () => {
  const numbers = randomOf(7);
  const random = (): number => numbers(1e6) / 1e6;
  for (const start of members(8)) {
    const pool = seen(inZone('a', 0, 200), { subset: { size: 20 } }, nowhere(start));
    let before = subsetOf(pool);
    const expectChanged = (most: number, what: string): void => {
      const now = subsetOf(pool);
      const gone = [...before].filter(id => !now.has(id)).length;
      assert.ok(gone <= most, `${gone} left the subset when a server ${what}`);
      assert.is(now.size, 20);
      before = now;
    };
    for (let n = 0; n < 60; n++) {
      const url = urlOf(Math.floor(random() * 260));
      if (pool.get(url) === undefined) {
        pool.set(upstreamRecord(url));
        expectChanged(2, 'came');
      } else if (random() < 0.5) {
        pool.delete(url);
        expectChanged(2, 'went');
      } else {
        const same = subsetOf(pool);
        pool.set(upstreamRecord({ url, state: 'down' }));
        expectChanged(1, 'went down');
        pool.set(upstreamRecord(url));
        expectChanged(1, 'came back');
        assert.equal(before, same);
      }
    }
  }
});

subsets('are made for each zone that gets requests', () => {
  const pool = seen([...inZone('here', 0, 40), ...inZone('there', 40, 80)], { subset: { size: 10 } });
  assert.is(pool.available.length, 10);
  for (let n = 0; n < 20; n++) pool.set(upstreamRecord({ url: urlOf(n), zone: 'here', state: 'down' }));
  assert.is(pool.available.length, 20);
  assert.ok(Math.abs(partElsewhere(pool) - (1 - 0.5 / 0.7)) < 0.03);
});

subsets('report to followers of the pool which servers step in, step out and get less', () => {
  const pool = seen(inZone('here', 0, 50), { subset: { size: 5 } });
  const followed = new Map<Upstream, number>();
  const put = (upstream: Upstream): void => {
    if (upstream.available) followed.set(upstream, upstream.weight);
    else followed.delete(upstream);
  };
  for (const upstream of pool) put(upstream);
  let told = 0;
  pool.observe({
    added: put,
    changed(upstream) {
      told++;
      put(upstream);
    },
    removed: upstream => followed.delete(upstream),
  });
  const numbers = randomOf(11);
  const random = (): number => numbers(1e6) / 1e6;
  for (let n = 0; n < 600; n++) {
    const url = urlOf(Math.floor(random() * 80));
    const dice = random();
    const zone = random() < 0.7 ? 'here' : 'there';
    const version = pool.version;
    if (dice < 0.2) pool.delete(url);
    else if (dice < 0.22)
      pool.setSettings(random() < 0.5 ? {} : { subset: { size: 1 + Math.floor(random() * 9) } });
    else if (dice < 0.24) for (const one of [...pool]) pool.set({ ...one.record, state: 'down' });
    else {
      const state = dice < 0.5 ? 'down' : 'active';
      pool.set(
        upstreamRecord({
          url,
          zone,
          state,
          weight: 1 + Math.floor(random() * 3),
          ...(dice > 0.9 && { backup: true as const }),
        }),
      );
    }
    assert.equal(ids(followed.keys()), ids(pool.available));
    for (const [{ weight }, known] of followed) assert.is(known, weight);
    for (const upstream of pool.available) assert.ok(upstream.available && !upstream.apart);
    for (const upstream of pool.standby) assert.ok(!upstream.available && upstream.state === 'active');
    const active = [...pool].filter(({ state }) => state === 'active').length;
    assert.is(pool.available.length + pool.standbyCount, active);
    assert.is(active > 0, pool.available.length > 0);
    assert.ok(pool.version >= version);
  }
  assert.ok(told > 0);
});

subsets('are computed once for changes that come together', () => {
  const pools = new Pools();
  pools.lookFrom(nowhere(0));
  pools.default.setSettings({ subset: { size: 20 } });
  let told = 0;
  pools.default.observe({ changed: () => void told++ });
  const set = (n: number) => ({ op: 'set', pool: 'default', upstream: upstreamRecord(urlOf(n)) }) as const;
  pools.applyAll(Array.from({ length: 10_000 }, (_, n) => set(n)));
  assert.is(pools.default.available.length, 20);
  assert.is(told, 20);
  const [first] = pools.default.available;
  assert.ok(first);
  pools.default.set({ ...first.record, state: 'down' });
  // It, and the one that steps in.
  assert.is(told, 22);
});
