// How long Weldr waits for the start of a plugin.
import { pino } from 'pino';
import * as assert from 'uvu/assert';
import { startWithin } from '../../../core/plugin/start-bound.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the start of a plugin');

function watched() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = pino({}, { write: line => void lines.push(JSON.parse(line).msg) });
  return { clock, log, lines };
}

test('is awaited, and leaves no timer', async () => {
  const { clock, log, lines } = watched();
  await startWithin({ clock, log }, 'quick', Promise.resolve());
  await startWithin({ clock, log }, 'quicker', undefined);
  await clock.advanceAsync(200_000);
  assert.equal(lines, []);
});

test('is logged after 10 s, and fails after two minutes', async () => {
  const { clock, log, lines } = watched();
  const started = startWithin({ clock, log }, 'slow', new Promise(() => {}));
  let failure: unknown;
  started.catch(thrown => {
    failure = thrown;
  });
  await clock.advanceAsync(10_000);
  assert.equal(lines, ['the start has been waiting for plugin slow for 10 s']);
  assert.is(failure, undefined);
  await clock.advanceAsync(110_000);
  assert.match(String(failure), 'it was not done after 120 s');
});

test('fails with what the plugin throws', async () => {
  const { clock, log } = watched();
  await startWithin({ clock, log }, 'failing', Promise.reject(new Error('no luck'))).then(
    () => assert.unreachable(),
    thrown => assert.is(thrown.message, 'no luck'),
  );
});
