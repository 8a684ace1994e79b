// LookLoop: one look at a time, again and again.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import { LookLoop } from '../../../core/time/look-loop.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the loop of looks');

function world() {
  const clock = new FakeClock();
  const looks: ((ms: number) => void)[] = [];
  const loop = new LookLoop(clock, () => new Promise(resolve => looks.push(resolve)));
  const answer = async (ms: number): Promise<void> => {
    looks.at(-1)?.(ms);
    await clock.advanceAsync(0);
  };
  return { clock, looks, loop, answer };
}

test('waits as long as the last look asked for', async () => {
  const { clock, looks, loop, answer } = world();
  const started = loop.start();
  await answer(500);
  await started;
  await clock.advanceAsync(499);
  assert.is(looks.length, 1);
  await clock.advanceAsync(1);
  assert.is(looks.length, 2);
});

test('has one look at a time, however long that takes and however often another is requested', async () => {
  const { clock, looks, loop, answer } = world();
  void loop.start();
  for (let i = 0; i < 5; i++) loop.soon(100);
  await clock.advanceAsync(60_000);
  assert.is(looks.length, 1);
  await answer(5000);
  await clock.advanceAsync(100);
  assert.is(looks.length, 2);
  await answer(5000);
  await clock.advanceAsync(4999);
  assert.is(looks.length, 2);
});

test('brings the next look forward, never back', async () => {
  const { clock, looks, loop, answer } = world();
  void loop.start();
  await answer(5000);
  loop.soon(50);
  loop.soon(1000);
  await clock.advanceAsync(50);
  assert.is(looks.length, 2);
});

test('leaves no timer behind', async () => {
  const { clock, looks, loop, answer } = world();
  void loop.start();
  await answer(100);
  loop.close();
  assert.is(clock.pending, 0);
  void loop.start();
  loop.soon(1);
  await clock.advanceAsync(1000);
  assert.is(looks.length, 1);
  const other = world();
  void other.loop.start();
  other.loop.close();
  await other.answer(100);
  assert.is(other.clock.pending, 0);
});
