// CountedOutput: lines that a log's reader did not take are counted, and reported when it takes lines again.
import * as assert from 'uvu/assert';
import { CountedOutput } from '../../../core/log/counted-output.ts';
import { FakeClock } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('CountedOutput');

test('logs how many lines were lost, once in ten seconds', () => {
  const clock = new FakeClock();
  const written: string[] = [];
  const told: number[] = [];
  let takes = true;
  const output = {
    write(lines: string) {
      if (takes) written.push(lines);
      return takes;
    },
  };
  const counted = new CountedOutput(output, {
    clock,
    tell(lost) {
      told.push(lost);
      // As a log does.
      counted.write('so many\n');
    },
  });
  assert.is(counted.write('a\n'), true);
  takes = false;
  assert.equal([counted.write('b\nc\n'), counted.write('d\n')], [false, false]);
  takes = true;
  counted.write('e\n');
  assert.equal([told, written], [[3], ['a\n', 'e\n', 'so many\n']]);
  takes = false;
  counted.write('f\n');
  takes = true;
  counted.write('g\n');
  assert.equal(told, [3]);
  clock.advance(10_000);
  counted.write('h\n');
  assert.equal(told, [3, 1]);
  assert.is(counted.dropped, 4);
});
