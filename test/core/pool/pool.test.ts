// Pool and Pools: membership, availability, and observers.
import * as assert from 'uvu/assert';
import { Pool, type Upstream } from '../../../core/pool/pool.ts';
import { Pools } from '../../../core/pool/pools.ts';
import { pool, upstreamRecord } from '../../../core/testing.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const pools = suite('Pool');

const ids = (upstreams: Iterable<Upstream>): string[] => [...upstreams].map(u => u.id).sort();

pools('has its active upstreams available', () => {
  const made = pool([
    'http://a:1',
    { url: 'http://b:1', state: 'down' },
    { url: 'http://c:1', state: 'draining' },
    { url: 'http://d:1', state: 'disabled' },
  ]);
  assert.equal(ids(made.available), ['http://a:1']);
  assert.is(made.size, 4);
  assert.equal(
    [...made].map(u => u.id),
    ['http://a:1', 'http://b:1', 'http://c:1', 'http://d:1'],
  );
});

pools('keeps its list of available upstreams correct through any changes', () => {
  const made = new Pool('default');
  const random = randomOf(3);
  for (let n = 0; n < 5000; n++) {
    const url = `http://10.0.0.${random(25)}`;
    const dice = random(4);
    if (dice === 0) made.delete(url);
    else made.set(upstreamRecord({ url, state: dice === 1 ? 'down' : 'active', weight: 1 + random(3) }));
    assert.equal(ids(made.available), ids([...made].filter(u => u.state === 'active')));
  }
});

pools('has a backup available only while no other is, and tells its observers', () => {
  const made = pool(['http://a:1', { url: 'http://b:1', backup: true }, { url: 'http://c:1', backup: true }]);
  const told: string[] = [];
  made.observe({ changed: ({ id, available }) => told.push(`${id} ${available}`) });
  assert.equal([ids(made.available), ids(made.standby)], [['http://a:1'], ['http://b:1', 'http://c:1']]);
  made.set(upstreamRecord({ url: 'http://a:1', state: 'down' }));
  assert.equal([ids(made.available), ids(made.standby)], [['http://b:1', 'http://c:1'], []]);
  assert.equal(told, ['http://a:1 false', 'http://b:1 true', 'http://c:1 true']);
  made.set(upstreamRecord('http://d:1'));
  assert.equal([ids(made.available), made.standbyCount], [['http://d:1'], 2]);
  made.set(upstreamRecord({ url: 'http://d:1', backup: true }));
  assert.equal(ids(made.available), ['http://b:1', 'http://c:1', 'http://d:1']);
});

pools('keeps its lists, and those of its observers, correct through any changes of backups', () => {
  const made = new Pool('default');
  const followed = new Set<Upstream>();
  const put = (upstream: Upstream): void => {
    if (upstream.available) followed.add(upstream);
    else followed.delete(upstream);
  };
  made.observe({ added: put, changed: put, removed: upstream => followed.delete(upstream) });
  const random = randomOf(5);
  for (let n = 0; n < 5000; n++) {
    const url = `http://10.0.0.${random(6)}`;
    const dice = random(4);
    const isBackup = random(2) === 0;
    if (dice === 0) made.delete(url);
    else {
      const state = dice === 1 ? 'active' : 'down';
      made.set(upstreamRecord({ url, state, ...(isBackup && { backup: true }) }));
    }
    const active = [...made].filter(({ state }) => state === 'active');
    const primaries = active.filter(({ backup }) => !backup);
    const [available, standby] = primaries.length > 0 ? [primaries, active] : [active, []];
    assert.equal(ids(made.available), ids(available));
    assert.equal(ids(followed), ids(available));
    assert.equal(ids(made.standby), ids(standby.filter(({ backup }) => backup)));
    assert.is(made.standbyCount, [...made.standby].length);
  }
});

pools('keeps the Upstream of an id, with its requests in flight, through changes of its record', () => {
  const made = pool(['http://a:1']);
  const upstream = made.get('http://a:1');
  if (upstream === undefined) throw new Error('unreachable');
  for (let n = 0; n < 3; n++) upstream.begin();
  assert.is(made.set(upstreamRecord({ url: 'http://a:1', weight: 5, state: 'down' })), upstream);
  assert.equal(
    [upstream.weight, upstream.state, upstream.inFlight, upstream.available],
    [5, 'down', 3, false],
  );
});

pools('treats an upstream that was removed and added again as a new one', () => {
  const made = pool(['http://a:1']);
  const before = made.delete('http://a:1');
  assert.is(made.delete('http://a:1'), undefined);
  const after = made.set(upstreamRecord('http://a:1'));
  assert.is(before === after, false);
  assert.equal([before?.home, after.home], [undefined, made]);
});

pools('hands out a list that neither changes nor plugins touch', () => {
  const made = pool(['http://a:1', 'http://b:1']);
  const { available } = made;
  assert.is(made.available, available, 'one list as long as nothing changes');
  assert.throws(() => (available as Upstream[]).pop(), TypeError);
  assert.throws(() => (available as Upstream[]).sort(), TypeError);
  made.set(upstreamRecord({ url: 'http://a:1', state: 'down' }));
  assert.equal(ids(available), ['http://a:1', 'http://b:1']);
  assert.equal(ids(made.available), ['http://b:1']);
});

pools('is read-only, and so are its upstreams', () => {
  const made = new Pools();
  const upstream = made.default.set(upstreamRecord('http://a:1'));
  for (const target of [made, made.default, upstream, upstream.record, upstream.alone]) {
    for (const key of ['fallback', 'version', 'home', 'inFlight', 'record', 'default', 'get', '0', 'odd']) {
      assert.is(Reflect.set(target, key, undefined), false);
    }
  }
});

pools('tells its observers what has happened, until they stop', () => {
  const made = new Pool('default');
  const seen: string[] = [];
  const stop = made.observe({
    added: u => void seen.push(`added ${u.id} ${made.size}`),
    changed: (u, before) => void seen.push(`changed ${u.id} ${before.weight} to ${u.weight}`),
    removed: u => void seen.push(`removed ${u.id} ${made.size}`),
  });
  made.observe({});
  made.set(upstreamRecord('http://a:1'));
  made.set(upstreamRecord({ url: 'http://a:1', weight: 2 }));
  made.delete('http://a:1');
  made.delete('http://a:1');
  assert.equal(seen, ['added http://a:1 1', 'changed http://a:1 1 to 2', 'removed http://a:1 0']);
  stop();
  made.set(upstreamRecord('http://a:1'));
  assert.is(seen.length, 3);
});

pools('counts a version for every change', () => {
  const made = new Pool('default');
  const versions = [made.version];
  made.set(upstreamRecord('http://a:1'));
  versions.push(made.version);
  made.set(upstreamRecord({ url: 'http://a:1', state: 'down' }));
  versions.push(made.version);
  made.delete('http://a:1');
  versions.push(made.version);
  assert.equal(versions, [0, 1, 2, 3]);
});

const all = suite('Pools');

all('always have a default pool', () => {
  assert.is(new Pools().get('default')?.name, 'default');
  assert.is(new Pools().get('other'), undefined);
});

all('tell their observers each pool that exists and that is added', () => {
  const made = new Pools();
  const seen: string[] = [];
  const stop = made.follow(p => void seen.push(p.name));
  made.ensure('blue');
  made.ensure('blue');
  stop();
  made.ensure('green');
  assert.equal(seen, ['default', 'blue']);
});

all('become a replica by applying the changes of others', () => {
  const made = new Pools();
  made.apply({ op: 'set', pool: 'blue', upstream: upstreamRecord('http://a:1') });
  assert.is(made.get('blue')?.size, 1);
  made.apply({ op: 'delete', pool: 'blue', id: 'http://a:1' });
  made.apply({ op: 'delete', pool: 'blue', id: 'http://unknown:1' });
  assert.is(made.get('blue')?.size, 0);
});
