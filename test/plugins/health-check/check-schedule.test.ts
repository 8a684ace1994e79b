// health-check: checks run when due, a bounded number at once, and no two of the same thing.
import * as assert from 'uvu/assert';
import { FakeClock, settle } from '../../../core/testing.ts';
import { CheckSchedule, type Scheduled } from '../../../plugins/health-check/check-schedule.ts';
import { suite } from '../../support/suite.ts';

const test = suite('check schedule');

/** A check that records when it runs and is due again after `every` ms. */
function repeating(clock: FakeClock, every: number): Scheduled & { runs: number[] } {
  const start = clock.monotonic();
  const runs: number[] = [];
  return {
    runs,
    run: async () => {
      runs.push(clock.monotonic() - start);
      return clock.monotonic() + every;
    },
  };
}

test('each runs at its own times', async () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 10);
  const fast = repeating(clock, 100);
  const slow = repeating(clock, 250);
  schedule.at(clock.monotonic() + 10, fast);
  schedule.at(clock.monotonic() + 5, slow);
  await clock.advanceAsync(510);
  assert.equal(fast.runs, [10, 110, 210, 310, 410, 510]);
  assert.equal(slow.runs, [5, 255, 505]);
  schedule.close();
});

test('a thousand things in any order run in the order of their times', async () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 10);
  const start = clock.monotonic();
  const order: number[] = [];
  const removed: Scheduled[] = [];
  for (let i = 0; i < 1000; i++) {
    const due = (i * 7919) % 1000;
    const what: Scheduled = {
      run: async () => {
        order.push(due);
        return Number.MAX_SAFE_INTEGER;
      },
    };
    schedule.at(start + due, what);
    if (i % 3 === 0) removed.push(what);
  }
  for (const what of removed) schedule.remove(what);
  await clock.advanceAsync(1000);
  assert.is(order.length, 1000 - removed.length);
  assert.equal(
    order,
    order.toSorted((a, b) => a - b),
  );
  schedule.close();
});

test('one timer serves all', () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 10);
  for (let i = 0; i < 10_000; i++) schedule.at(clock.monotonic() + 10_000 - i, repeating(clock, 1000));
  assert.is(clock.pending, 1);
  schedule.close();
  assert.is(clock.pending, 0);
});

test('at most the limit run at once, and others follow as these end', async () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 3);
  let running = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  const done = new Set<number>();
  for (let i = 0; i < 10; i++) {
    schedule.at(clock.monotonic() + 1, {
      run: async () => {
        most = Math.max(most, ++running);
        await new Promise<void>(resolve => ends.push(resolve));
        running--;
        done.add(i);
        return clock.monotonic() + 100_000;
      },
    });
  }
  await clock.advanceAsync(10);
  assert.is(running, 3);
  while (ends.length > 0) {
    ends.shift()?.();
    await settle();
  }
  assert.is(most, 3);
  assert.is(done.size, 10);
  schedule.close();
});

test('a slow check is not run again before it has ended', async () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 10);
  let runs = 0;
  let end = (): void => {};
  const slow: Scheduled = {
    run: async () => {
      runs++;
      await new Promise<void>(resolve => {
        end = resolve;
      });
      return clock.monotonic();
    },
  };
  schedule.at(clock.monotonic(), slow);
  await clock.advanceAsync(1000);
  schedule.at(clock.monotonic(), slow);
  await clock.advanceAsync(1000);
  assert.is(runs, 1);
  end();
  await clock.advanceAsync(10);
  assert.is(runs, 2);
  schedule.close();
});

test('a removed check does not run, even when it was removed while it ran', async () => {
  const clock = new FakeClock();
  const schedule = new CheckSchedule(clock, 10);
  const waiting = repeating(clock, 10);
  schedule.at(clock.monotonic() + 5, waiting);
  schedule.remove(waiting);
  const running: Scheduled & { runs: number } = {
    runs: 0,
    run: async () => {
      running.runs++;
      schedule.remove(running);
      return clock.monotonic() + 1;
    },
  };
  schedule.at(clock.monotonic() + 5, running);
  await clock.advanceAsync(100);
  assert.equal(waiting.runs, []);
  assert.is(running.runs, 1);
  assert.is(schedule.size, 0);
  assert.is(clock.pending, 0);
});
