// SlidingCount: events of a window, as time goes by.
import * as assert from 'uvu/assert';
import { SlidingCount } from '../../../core/bounded/sliding-count.ts';
import { suite } from '../../support/suite.ts';

const test = suite('sliding count');

test('counts events until they are a window old', () => {
  const count = new SlidingCount(1000);
  for (let n = 0; n < 5; n++) count.add(5000 + n);
  assert.is(count.count(5004), 5);
  assert.is(count.count(5899), 5);
  assert.is(count.count(6000), 0);
});

test('drops events a tenth of the window at a time', () => {
  const count = new SlidingCount(1000);
  for (let now = 0; now < 1000; now += 10) count.add(now);
  assert.is(count.count(999), 100);
  assert.is(count.count(1000), 90);
  assert.is(count.count(1450), 50);
  assert.is(count.count(1999), 0);
});

test('forgets everything after a pause of any length', () => {
  for (const pause of [1000, 1001, 12_345, 1e12]) {
    const count = new SlidingCount(1000);
    count.add(50);
    assert.is(count.count(50 + pause), 0, `${pause} ms`);
    count.add(50 + pause);
    assert.is(count.count(50 + pause), 1);
  }
});

test('treats a time before the latest as the latest', () => {
  const count = new SlidingCount(1000);
  count.add(5000);
  count.add(4000);
  assert.is(count.count(5000), 2);
  assert.is(count.count(4000), 2);
});

test('agrees with a list of all events', () => {
  const count = new SlidingCount(1000);
  const events: number[] = [];
  let now = 0;
  for (let n = 0; n < 5000; n++) {
    now += (n * 7919) % 23;
    count.add(now);
    events.push(Math.floor(now / 100));
    const since = Math.floor(now / 100) - 9;
    assert.is(count.count(now), events.filter(slot => slot >= since).length);
  }
});
