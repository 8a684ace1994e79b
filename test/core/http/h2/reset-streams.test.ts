// ResetStreams: which streams Weldr has reset, as far as it remembers.
import * as assert from 'uvu/assert';
import { ResetStreams } from '../../../../core/http/h2/reset-streams.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('ResetStreams');

test('remembers the streams that were reset', () => {
  const resets = new ResetStreams();
  resets.add(5);
  assert.equal([resets.has(3), resets.has(5), resets.has(7)], [false, true, false]);
});

test('never mistakes another stream for a reset one, however many were reset', () => {
  const resets = new ResetStreams();
  for (let id = 1; id <= 1001; id += 2) resets.add(id);
  for (let id = 1; id <= 1001; id += 2) assert.ok(resets.has(id), String(id));
  assert.not.ok(resets.has(1003));
});
