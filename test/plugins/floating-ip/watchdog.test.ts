// Watchdog: what the holder process does in the place of a dead or frozen manager.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import type { Report } from '../../../plugins/floating-ip/orders.ts';
import { longestSilence, Watchdog } from '../../../plugins/floating-ip/watchdog.ts';
import { suite } from '../../support/suite.ts';

const test = suite('watchdog of the holder process');

const way = { origins: ['http://127.0.0.1:1'], request: { path: '/', body: '{}' } };

/** A watchdog over a holder that records what is done, in order. */
function start() {
  const clock = new FakeClock();
  const done: string[] = [];
  const reports: Report[] = [];
  let holding = false;
  const holder = {
    get holding() {
      return holding;
    },
    async hold() {
      holding = true;
      done.push('hold');
    },
    async release() {
      holding = false;
      done.push('release');
    },
    async end() {
      done.push('end');
    },
  };
  const waiting: (() => Promise<void>)[] = [];
  const watchdog = new Watchdog({
    holder,
    clock,
    log: { info() {}, warn() {}, error() {} },
    send: report => void reports.push(report),
    async deliver({ type }) {
      done.push(`say ${type}`);
    },
    async surrender() {
      done.push('surrender');
      return undefined;
    },
    afterMessages(fn) {
      for (const message of waiting.splice(0)) void message();
      fn();
    },
  });
  let order = 0;
  const hold = async (session: string) => {
    const wanted = ++order;
    await watchdog.take({
      type: 'hold',
      order: wanted,
      session,
      until: clock.monotonic() + 1000,
      surrender: way,
    });
    const answer = reports.find(report => report.type === 'done' && report.order === wanted);
    return answer?.type === 'done' && answer.closed ? 'refused' : 'held';
  };
  return { clock, done, waiting, watchdog, hold };
}

test('takes the address away from a silent manager, then ends the leadership, and refuses that leadership for good', async () => {
  const { clock, done, hold, watchdog } = start();
  assert.is(await hold('one'), 'held');
  await clock.advanceAsync(longestSilence - 50);
  assert.equal(done, ['hold']);
  await clock.advanceAsync(150);
  assert.equal(done, ['hold', 'release', 'say closed', 'surrender']);
  assert.is(await hold('one'), 'refused', 'the manager has thawed');
  await watchdog.take({ type: 'release', order: 99 });
  assert.is(await hold('one'), 'refused');
  assert.is(await hold('two'), 'held', 'it may hold for another leadership');
});

test('a manager that gives signs of life, or holds nothing, is left alone', async () => {
  const { clock, done, hold, watchdog } = start();
  await hold('one');
  for (let i = 0; i < 20; i++) {
    await clock.advanceAsync(200);
    await watchdog.take({ type: 'alive' });
  }
  await watchdog.take({ type: 'release', order: 99 });
  await clock.advanceAsync(10_000);
  assert.equal(done, ['hold', 'release']);
});

test('waiting messages count as signs of life, and its own delay is not held against the manager', async () => {
  const { clock, done, hold, waiting, watchdog } = start();
  await hold('one');
  waiting.push(async () => await watchdog.take({ type: 'alive' }));
  await clock.advanceAsync(longestSilence + 50);
  assert.equal(waiting.length, 0);
  assert.equal(done, ['hold']);
});

test('lets go in the place of a manager that is gone, and ends', async () => {
  const { done, hold, watchdog } = start();
  await hold('one');
  await watchdog.managerGone();
  assert.equal(done, ['hold', 'release', 'say closed', 'surrender', 'end']);
});

test('does not end a leadership when the manager itself ends it', async () => {
  const { done, hold, watchdog } = start();
  await hold('one');
  await watchdog.end();
  assert.equal(done, ['hold', 'end']);
});
