// The times of an election: refused when they leave no time to hold, judged by what renewals take; and flapping is damped.
import * as assert from 'uvu/assert';
import { checkConfig } from '../../../core/config/config.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { Flapping } from '../../../plugins/etcd/flapping.ts';
import { RoundTrip } from '../../../plugins/etcd/round-trip.ts';
import { leaseFor, renewalTimes, slowness } from '../../../plugins/etcd/slow-etcd.ts';
import { type EtcdOptions, etcd, roundRobin } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the times of an election');

/** Returns why `etcd` is refused beside a plugin that holds something, such as an address by the kernel's lifetime alone. */
function refusal(options: EtcdOptions, { holds = true } = {}): string {
  const holder: Plugin = { name: 'holder', leadershipNeed: () => 2277 };
  try {
    checkConfig({
      listen: '127.0.0.1:0',
      plugins: [roundRobin(), etcd(options), ...(holds ? [holder] : [])],
    });
    return '';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

test('a lease that leaves no time to hold the address is refused; the message names one that does', () => {
  assert.is(refusal({}), '');
  assert.match(
    refusal({ lease: '1s', holdOff: '300ms' }),
    /plugins\[1\]\.lease: a lease of 1 s and a hold-off of 300 ms give a leader 1287 ms.*needs 2277 ms.*Set lease: '2s' on all nodes/,
  );
  assert.match(refusal({ lease: '2s', holdOff: '0ms' }), /Set lease: '3s', or holdOff: '300ms' on all nodes/);
  assert.is(refusal({ holdOff: '0ms' }), '', 'the lease makes up for it');
  assert.is(refusal({ lease: '1s' }, { holds: false }), '', 'no plugin holds anything by it');
  assert.is(refusal({ lease: '5s', holdOff: 0 }), '');
});

test('invalid times are refused', () => {
  assert.match(refusal({ holdOff: '2m' }), /holdOff: expected 60s or less, got 120s/);
  assert.match(refusal({ holdOff: -1 }), /holdOff: expected a duration/);
  assert.match(refusal({ lease: '11m' }), /lease: expected a lease between 1s and 10m/);
  assert.match(refusal({ lease: '2s', renew: '1s' }), /renew: expected a quarter of the lease or less/);
  assert.match(refusal({ timeout: '1d' }), /timeout: expected a timeout between 100ms and 10m/);
});

test('a list of hosts that is probably not intended causes a warning', () => {
  const warningsOf = (hosts: string[]) =>
    checkConfig({ listen: '127.0.0.1:0', plugins: [roundRobin(), etcd({ hosts })] }).remarks.warnings.join(
      '\n',
    );
  assert.match(warningsOf(['http://a:1', 'http://b:1', 'http://a:1']), 'hosts: it names http://a:1 twice');
  assert.match(
    warningsOf(['http://a:1', 'http://b:1']),
    'hosts: with two members etcd survives the loss of neither',
  );
  assert.is(warningsOf(['http://a:1', 'http://b:1', 'http://c:1']), '');
});

test('the mean moves, and the longest time is that of the last minute', () => {
  const clock = new FakeClock();
  const trips = new RoundTrip(clock);
  assert.is(trips.mean, undefined);
  assert.is(trips.worst, undefined);
  trips.record(100);
  for (let i = 0; i < 60; i++) trips.record(10);
  assert.ok((trips.mean ?? 0) < 11);
  assert.is(trips.worst, 100);
  clock.advance(61_000);
  assert.is(trips.worst, undefined);
  trips.record(5);
  assert.is(trips.worst, 5);
});

test('renewals that take longer than the lease leaves time for are reported, with a lease that is enough', () => {
  const trips = new RoundTrip(new FakeClock());
  trips.record(500);
  const times = { lease: 2000, renew: 250, holdOff: 300 };
  const facts = { granted: 2000, need: 2277, wasSlow: false };
  assert.is(slowness(trips, { times, ...facts }), undefined, 'one is not enough for a mean');
  for (let i = 0; i < 100; i++) trips.record(140);
  assert.is(slowness(trips, { times, ...facts }), undefined);
  assert.ok(
    slowness(trips, { times, ...facts, wasSlow: true }) !== undefined,
    'it is not clearly quicker yet',
  );
  assert.match(
    slowness(trips, { times: { ...times, holdOff: 270 }, ...facts }) ?? '',
    /renewals of the lease take 140 ms, and a lease of 2 s leaves 120 ms: the address cannot be held; set lease: '3s' on all nodes/,
  );
  assert.is(
    slowness(trips, { times, ...facts, granted: 1000, need: 0 }),
    undefined,
    'no plugin holds anything',
  );
  assert.is(leaseFor(2277, 300), 2);
  assert.is(leaseFor(2278, 300), 3);
});

test('the time of unanswered renewals is estimated from that of one question', () => {
  const clock = new FakeClock();
  const [renewals, majority] = [new RoundTrip(clock), new RoundTrip(clock)];
  const times = { lease: 1000, renew: 150, holdOff: 100 };
  const reported = (unanswered: number) =>
    slowness(renewalTimes({ renewals, unanswered, majority }), {
      times,
      granted: 1000,
      need: 850,
      wasSlow: false,
    });
  // They are given up after 320 ms, less than what the lease leaves.
  for (let i = 0; i < 8; i++) renewals.record(320);
  for (let i = 0; i < 7; i++) majority.record(480);
  assert.is(reported(8), undefined, 'too few questions');
  majority.record(3000);
  assert.is(reported(7), undefined, 'a few renewals without an answer are no problem');
  assert.match(reported(8) ?? '', /take 960 ms, and a lease of 1 s leaves 380 ms: .* set lease: '4s'/);
  majority.record(100);
  assert.is(reported(8), undefined, 'a quicker answer shows that etcd is not too far away');
});

test('a node that loses the leadership three times within a minute stays away, longer each time', () => {
  const clock = new FakeClock();
  const flapping = new Flapping(clock);
  const loseThrice = (hasRival: boolean) => {
    const stays = [1, 2, 3].map(() => {
      clock.advance(5000);
      return flapping.lost(hasRival);
    });
    assert.equal(stays.slice(0, 2), [undefined, undefined]);
    return stays[2];
  };
  assert.is(loseThrice(false), 0, 'no other node can lead');
  assert.is(flapping.left, 0);
  assert.is(loseThrice(true), 10_000);
  assert.is(flapping.left, 10_000);
  clock.advance(10_000);
  assert.is(flapping.left, 0);
  assert.is(loseThrice(true), 20_000);
  flapping.end();
  assert.is(flapping.left, 0);
  for (let i = 0; i < 6; i++) loseThrice(true);
  assert.is(flapping.left, 300_000, 'it is bounded');
  clock.advance(700_000);
  assert.is(loseThrice(true), 10_000, 'it is forgotten');
  clock.advance(700_000);
  assert.is(flapping.lost(true, { explained: true }), 10_000, 'one loss is enough if it will recur');
  clock.advance(700_000);
  for (let i = 0; i < 9; i++) {
    clock.advance(40_000);
    assert.is(flapping.lost(true), undefined, 'rare losses are not flapping');
  }
});
