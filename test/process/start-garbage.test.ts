// The garbage of a start is given back to the system.
import * as assert from 'uvu/assert';
import { collectStartGarbage } from '../../core/process/start-garbage.ts';
import { suite } from '../support/suite.ts';

const test = suite('the garbage of a start', { ownProcess: true });

test('is collected, without exposing gc', () => {
  let left: unknown[] = Array.from({ length: 300_000 }, (_, i) => ({ i }));
  assert.is(left.length, 300_000);
  collectStartGarbage();
  const full = process.memoryUsage();
  left = [];
  collectStartGarbage();
  const empty = process.memoryUsage();
  assert.ok(empty.heapUsed < full.heapUsed - 4_000_000, `${full.heapUsed} bytes, then ${empty.heapUsed}`);
  assert.ok(empty.heapTotal < full.heapTotal, `${full.heapTotal} bytes, then ${empty.heapTotal}`);
  assert.not.ok('gc' in globalThis);
});
