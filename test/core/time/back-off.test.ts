// backOff: waits that double with each failure.
import * as assert from 'uvu/assert';
import { backOff } from '../../../core/time/back-off.ts';
import { suite } from '../../support/suite.ts';

const test = suite('backOff');

test('doubles with each failure, up to the longest wait', () => {
  assert.equal(
    [1, 2, 3, 4, 5].map(failures => backOff(failures, 100, 1000)),
    [100, 200, 400, 800, 1000],
  );
});

test('stays finite however many failures there are', () => {
  assert.is(backOff(1_000_000, 100, 1000), 1000);
  assert.ok(Number.isFinite(backOff(1_000_000, 100, Number.POSITIVE_INFINITY)));
});
