// The consistent-hash plugin: the kit for balancers, what it hashes, bounded load, changes of a large pool.
import * as assert from 'uvu/assert';
import { hashOf } from '../../../core/pool/hash.ts';
import { balancerChecks, pool, upstreamRecord, workerSide } from '../../../core/testing.ts';
import { FollowedRing } from '../../../plugins/consistent-hash/followed-ring.ts';
import { type ConsistentHashOptions, consistentHash } from '../../../plugins/consistent-hash/index.ts';
import { suite } from '../../support/suite.ts';

const conformance = suite('consistent-hash as a balancer');
for (const check of balancerChecks(consistentHash(), { distribution: 'none', sticky: true })) {
  conformance(check.name, check.run);
}

const byCookie = suite('consistent-hash by a cookie as a balancer');
for (const check of balancerChecks(consistentHash({ by: { cookie: 'client' } }), {
  distribution: 'none',
  sticky: true,
})) {
  byCookie(check.name, check.run);
}

const test = suite('consistent-hash');

const upstreams = Array.from({ length: 8 }, (_, n) => `http://10.0.0.${n}:8080`);

type Request = { host?: string; target?: string; headers?: Record<string, string>; clientIp?: string };

/** How many different upstreams these requests got. */
async function spreadOf(options: ConsistentHashOptions, requests: readonly Request[]): Promise<number> {
  const side = await workerSide(consistentHash(options), { upstreams });
  const chosen = new Set<string | undefined>();
  for (const request of requests) chosen.add((await side.run(request)).upstream?.id);
  await side.close();
  return chosen.size;
}

const varied = (make: (n: number) => Request): Request[] => Array.from({ length: 40 }, (_, n) => make(n));

test('hashes the configured key, and nothing else', async () => {
  const kinds: [ConsistentHashOptions['by'], (n: number) => Request][] = [
    ['client', n => ({ clientIp: `192.0.2.${n}` })],
    ['path', n => ({ target: `/item/${n}` })],
    ['target', n => ({ target: `/item?n=${n}` })],
    ['host', n => ({ host: `${n}.example` })],
    [{ header: 'X-User' }, n => ({ headers: { 'x-user': `u${n}` } })],
    [{ cookie: 'session' }, n => ({ headers: { Cookie: `theme=dark; session=${n}` } })],
    [{ query: 'user' }, n => ({ target: `/?page=1&user=${n}` })],
  ];
  for (const [by, make] of kinds) {
    assert.ok((await spreadOf({ by }, varied(make))) >= 6, `${JSON.stringify(by)} spreads`);
    // The same key, and everything else different.
    const same = make(1);
    const others = varied(n => ({ clientIp: `192.0.2.${n}`, ...same }));
    assert.is(
      await spreadOf(
        { by },
        by === 'client' ? others.map(one => ({ ...one, clientIp: '192.0.2.1' })) : others,
      ),
      1,
    );
  }
});

test('reads a path in its normal form, so that two spellings are one key', async () => {
  const requests = ['/a/b', '/a/./b', '/a/c/../b', '/%61/b'].map(target => ({ target }));
  assert.is(await spreadOf({ by: 'path' }, requests), 1);
});

test('uses the first of several keys that a request has', async () => {
  const by: ConsistentHashOptions['by'] = [{ header: 'X-User' }, { cookie: 'session' }, 'client'];
  const user = varied(n => ({
    headers: { 'X-User': 'ada', Cookie: `session=${n}` },
    clientIp: `192.0.2.${n}`,
  }));
  assert.is(await spreadOf({ by }, user), 1);
  const session = varied(n => ({ headers: { Cookie: 'session=1' }, clientIp: `192.0.2.${n}` }));
  assert.is(await spreadOf({ by }, session), 1);
  assert.ok(
    (await spreadOf(
      { by },
      varied(n => ({ clientIp: `192.0.2.${n}` })),
    )) >= 6,
  );
  assert.is(
    await spreadOf(
      { by },
      varied(() => ({ clientIp: '192.0.2.1' })),
    ),
    1,
  );
});

test('treats all spellings of a host as one key', async () => {
  const hosts = ['shop.test', 'SHOP.test', 'shop.test:80', 'shop.test.', 'Shop.Test.:8443'];
  assert.is(
    await spreadOf(
      { by: 'host' },
      hosts.map(host => ({ host })),
    ),
    1,
  );
});

test('sends a request without the key anywhere', async () => {
  assert.ok(
    (await spreadOf(
      { by: { header: 'X-User' } },
      varied(() => ({})),
    )) >= 6,
  );
});

test('gives the keys of an overloaded upstream to the next ones, and back to it afterwards', () => {
  const servers = pool(upstreams);
  const ring = new FollowedRing(servers, 1.25);
  const key = hashOf('a hot key');
  const home = ring.choose(key, []);
  assert.ok(home !== undefined);
  const given = new Map<string, number>();
  for (let n = 0; n < 80; n++) {
    const upstream = ring.choose(key, []);
    upstream?.begin();
    given.set(upstream?.id ?? '', (given.get(upstream?.id ?? '') ?? 0) + 1);
  }
  // A share is 10; plus a quarter, and what was not counted yet.
  for (const [id, count] of given) assert.ok(count <= 14, `${id} has ${count} of 80`);
  assert.is(given.size >= 6, true);
  for (const upstream of servers) while (upstream.inFlight > 0) upstream.end();
  for (let n = 0; n < 20; n++) ring.choose(hashOf(`${n}`), []);
  assert.is(ring.choose(key, []), home);
  ring.close();
});

test('gives a retry the next upstream on the ring, always the same', async () => {
  const side = await workerSide(consistentHash(), { upstreams });
  const { attempts } = await side.run({ clientIp: '192.0.2.9' });
  const [first] = attempts;
  assert.ok(first !== undefined);
  side.pools.default.delete(first.id);
  const heir = (await side.run({ clientIp: '192.0.2.9' })).upstream;
  side.pools.default.set(upstreamRecord(first.id));
  const ring = new FollowedRing(side.pools.default, 1.25);
  await ring.settled();
  const known = side.pools.default.get(first.id);
  assert.ok(known !== undefined);
  assert.is(ring.choose(hashOf('192.0.2.9'), [known])?.id, heir?.id);
  ring.close();
  await side.close();
});

test('gives the keys of a full upstream to the next ones on the ring, always the same', async () => {
  const servers = pool(upstreams.map(url => ({ url, maxConnections: 3 })));
  servers.lookFrom({ worker: 0, workers: 1, start: 0 });
  const ring = new FollowedRing(servers, 100);
  await ring.settled();
  const key = hashOf('a key');
  const home = ring.choose(key, []);
  for (let n = 0; n < 3; n++) home?.begin();
  const heirs = new Set(Array.from({ length: 20 }, () => ring.choose(key, [])));
  assert.equal([heirs.size, heirs.has(home)], [1, false]);
  home?.end();
  assert.is(ring.choose(key, []), home);
  ring.close();
});

test('puts a large pool on the ring in slices, and serves meanwhile', async () => {
  const servers = pool([]);
  const ring = new FollowedRing(servers, 1.25);
  for (let n = 0; n < 5_000; n++) servers.set(upstreamRecord(`http://10.${n >> 8}.${n & 255}.1:8080`));
  assert.ok(ring.choose(1, []) !== undefined);
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  await ring.settled();
  clearInterval(turning);
  assert.ok(turns > 5, `the event loop turned ${turns} times meanwhile`);
  const chosen = new Set<string | undefined>();
  for (let n = 0; n < 5_000; n++) chosen.add(ring.choose(hashOf(`key ${n}`), [])?.id);
  assert.ok(chosen.size > 2_500, `${chosen.size} of 5,000 servers`);
  ring.close();
});

test('takes points back in slices for an upstream of great weight, and ends like a ring that had it from the start', async () => {
  const servers = pool(Array.from({ length: 3_000 }, (_, n) => `http://10.0.${n >> 8}.${n & 255}:8080`));
  const ring = new FollowedRing(servers, 100);
  await ring.settled();
  servers.set(upstreamRecord({ url: 'http://10.1.0.1:8080', weight: 1_000 }));
  let turns = 0;
  const turning = setInterval(() => turns++, 1);
  await ring.settled();
  clearInterval(turning);
  assert.ok(turns > 1, `the event loop turned ${turns} times meanwhile`);
  const other = new FollowedRing(servers, 100);
  await other.settled();
  for (let n = 0; n < 500; n++) assert.is(ring.choose(hashOf(`${n}`), []), other.choose(hashOf(`${n}`), []));
  ring.close();
  other.close();
});

test('refuses an unknown key', async () => {
  const thrown = await workerSide(consistentHash({ by: 'cookie' } as object)).catch(error => error);
  assert.is(thrown.field, 'plugins[0].by');
});
