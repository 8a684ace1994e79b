// The rate-limit plugin and its buckets.
import * as assert from 'uvu/assert';
import { addressKey } from '../../../core/address-key.ts';
import { workerSide } from '../../../core/testing.ts';
import { rateLimit } from '../../../plugins/rate-limit/index.ts';
import { TokenBuckets } from '../../../plugins/rate-limit/token-buckets.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('rate-limit');

const upstreams = ['http://a:1', 'http://b:1'];

test('lets a burst through, then the rate', async () => {
  const side = await workerSide([rateLimit({ rate: 2, burst: 5 }), roundRobin()], { upstreams });
  const statuses = async (count: number) => {
    const list: number[] = [];
    for (let n = 0; n < count; n++) list.push((await side.run()).status);
    return list;
  };
  assert.equal(await statuses(7), [200, 200, 200, 200, 200, 429, 429]);
  side.clock.advance(499);
  assert.equal(await statuses(1), [429]);
  side.clock.advance(1);
  assert.equal(await statuses(2), [200, 429]);
  side.clock.advance(60_000);
  assert.equal(await statuses(6), [200, 200, 200, 200, 200, 429]);
});

test('says with 429 when a request will do, and chooses no upstream for it', async () => {
  const side = await workerSide([rateLimit({ rate: 0.1, burst: 1 }), roundRobin()], { upstreams });
  await side.run();
  const refused = await side.run();
  assert.is(refused.status, 429);
  assert.is(refused.headers.get('retry-after'), '10');
  assert.is(refused.upstream, undefined);
  side.clock.advance(9_500);
  assert.is((await side.run()).headers.get('retry-after'), '1');
});

test('counts clients apart, and a retry not at all', async () => {
  const side = await workerSide([rateLimit({ rate: 1 }), roundRobin(), retry()], { upstreams });
  assert.is((await side.run({ clientIp: '192.0.2.1', answers: ['CONNECT_FAILED', 200] })).status, 200);
  assert.is((await side.run({ clientIp: '192.0.2.1' })).status, 429);
  assert.is((await side.run({ clientIp: '192.0.2.2' })).status, 200);
});

test('counts an IPv6 client by its /64', () => {
  const same = [
    '2001:db8:1:2::1',
    '2001:db8:1:2:3:4:5:6',
    '2001:0DB8:0001:0002::',
    '2001:db8:1:2:ffff::192:1',
  ];
  assert.is(new Set(same.map(addressKey)).size, 1);
  assert.is(addressKey('2001:db8:1:3::1'), '2001:db8:1:3::/64');
  assert.is(addressKey('::1'), '0:0:0:0::/64');
  assert.is(addressKey('2001:db8::5'), '2001:db8:0:0::/64');
  assert.is(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.is(addressKey('1::'), '1:0:0:0::/64');
});

test('counts an IPv4 client by its address, however it is written', () => {
  assert.is(addressKey('192.0.2.7'), '192.0.2.7');
  assert.is(addressKey('::ffff:192.0.2.7'), '192.0.2.7');
});

test('counts clients without an address as one', async () => {
  assert.is(addressKey('unix:'), 'unix:');
  const side = await workerSide([rateLimit({ rate: 1, burst: 2 }), roundRobin()], { upstreams });
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) statuses.push((await side.run({ clientIp: 'unix:' })).status);
  assert.equal(statuses, [200, 200, 429]);
});

test('never remembers more clients than it may, and forgets those that were quiet longest', () => {
  const buckets = new TokenBuckets(1, 2, 100);
  for (let n = 0; n < 10_000; n++) {
    buckets.take(`client ${n}`, n);
    buckets.take('busy', 0);
    assert.ok(buckets.size <= 100, `${buckets.size}`);
  }
  assert.ok(buckets.take('busy', 0) > 0, 'a client that kept coming was forgotten');
  assert.is(buckets.take('client 0', 0), 0);
});

test('a clock that stands still or goes back gives no tokens', () => {
  const buckets = new TokenBuckets(1000, 1, 100);
  assert.is(buckets.take('a', 1000), 0);
  assert.ok(buckets.take('a', 1000) > 0);
  assert.ok(buckets.take('a', 500) > 0);
});

test('refuses options that make no sense', async () => {
  for (const options of [{ rate: 0 }, { burst: 0 }, { clients: 1 }, { limit: 5 }]) {
    const thrown = await workerSide(rateLimit(options as object)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
  }
});
