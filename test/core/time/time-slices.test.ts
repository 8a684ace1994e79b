// Long work that lets other work have its turn.
import * as assert from 'uvu/assert';
import { TimeSlices } from '../../../core/time/time-slices.ts';
import { suite } from '../../support/suite.ts';

const test = suite('time slices');

test('work that takes long lets timers and I/O have their turn, and short work does not wait', async () => {
  const slices = new TimeSlices();
  let turns = 0;
  setImmediate(() => turns++);
  await slices.pause();
  assert.is(turns, 0);
  const began = performance.now();
  while (performance.now() - began < 20);
  await slices.pause();
  assert.is(turns, 1);
});
