// When a node learned of changes: what is younger than a report is not held against the node that sent it.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import { ChangeTimes } from '../../../plugins/etcd/change-times.ts';
import { suite } from '../../support/suite.ts';

const test = suite('times of changes');

test('name the newest revision that was known a while ago', () => {
  const clock = new FakeClock();
  const times = new ChangeTimes(clock);
  assert.equal([times.newest, times.before(0)], [0, 0]);
  times.saw(7);
  clock.advance(6_000);
  times.saw(9);
  assert.equal([times.newest, times.before(0), times.before(6_000), times.before(6_001)], [9, 9, 7, 0]);
  clock.advance(60_000);
  assert.is(times.before(6_000), 9);
});

test('know every change after a while, also those that follow each other closely', () => {
  const clock = new FakeClock();
  const times = new ChangeTimes(clock);
  for (let revision = 1; revision <= 1_000; revision++) {
    times.saw(revision);
    clock.advance(10);
  }
  assert.is(times.newest, 1_000);
  assert.ok(times.before(6_000) >= 400 && times.before(6_000) < 430, String(times.before(6_000)));
  clock.advance(6_000);
  assert.is(times.before(6_000), 1_000);
  times.saw(3);
  assert.is(times.newest, 1_000);
});

test('forget all when etcd holds another history', () => {
  const times = new ChangeTimes(new FakeClock());
  times.saw(1_000);
  times.clear();
  times.saw(5);
  assert.is(times.newest, 5);
});
