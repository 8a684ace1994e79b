// UploadPace: when a request body counts as slow.
import * as assert from 'uvu/assert';
import { UploadPace } from '../../../../core/http/exchange/upload-pace.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('the pace of an upload');

/** Returns a body that began at 0 and brought 8 KB in each half second until 2000. */
function steady(): UploadPace {
  const pace = new UploadPace();
  pace.begin(0);
  for (let now = 100; now <= 2000; now += 100) pace.add(2048, now);
  return pace;
}

test('is slow after one half second without 8 KB', () => {
  const pace = steady();
  assert.not(pace.isSlow(2499));
  assert.ok(pace.isSlow(2500));
});

test('is no longer slow once 8 KB have come since', () => {
  const pace = steady();
  pace.add(8191, 2600);
  assert.ok(pace.isSlow(2600));
  pace.add(1, 2650);
  assert.not(pace.isSlow(2650));
});

test('is not slow for a wait that was not for the client', () => {
  const pace = steady();
  pace.waited(2400);
  assert.not(pace.isSlow(2899));
  assert.ok(pace.isSlow(2900));
});
