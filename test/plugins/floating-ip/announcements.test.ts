// Announcements: when neighbours learn where the address is.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { Announcements } from '../../../plugins/floating-ip/announcements.ts';
import { suite } from '../../support/suite.ts';

const test = suite('announcements');

test('come at once, densely in the first minute, and then every ten seconds while the address is held', () => {
  const clock = new FakeClock();
  let count = 0;
  const announcements = new Announcements(
    () => count++,
    (ms, fn) => clock.after(ms, fn),
  );
  announcements.start();
  assert.is(count, 1);
  clock.advance(5000);
  assert.is(count, 7);
  clock.advance(55_000);
  assert.ok(count >= 30 && count <= 40, `${count} in the first minute`);
  const before = count;
  clock.advance(600_000);
  assert.is(count, before + 60);
  announcements.stop();
  clock.advance(60_000);
  assert.is(count, before + 60);
  assert.is(clock.pending, 0);
});
