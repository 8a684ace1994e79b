// RequestEpochs: when the requests now under way have ended.
import * as assert from 'uvu/assert';
import { RequestEpochs } from '../../../core/stages/request-epochs.ts';
import { settle } from '../../../core/testing/fake-clock.ts';
import { suite } from '../../support/suite.ts';

const test = suite('epochs of requests');

/** Returns a function that says whether it has become quiet. */
function waiting(epochs: RequestEpochs): () => boolean {
  let isQuiet = false;
  void epochs.quiet().then(() => {
    isQuiet = true;
  });
  return () => isQuiet;
}

test('end when all requests that had begun have ended, whatever has begun since', async () => {
  const epochs = new RequestEpochs();
  const atOnce = waiting(epochs);
  await settle();
  assert.ok(atOnce());
  const first = epochs.current;
  first.begin();
  first.begin();
  const early = waiting(epochs);
  const second = epochs.current;
  assert.is.not(second, first);
  second.begin();
  first.end();
  await settle();
  assert.not(early());
  const late = waiting(epochs);
  first.end();
  await settle();
  assert.equal([early(), late()], [true, false]);
  second.end();
  await settle();
  assert.ok(late());
});

test('are not created where nothing has begun', () => {
  const epochs = new RequestEpochs();
  const { current } = epochs;
  for (let i = 0; i < 3; i++) void epochs.quiet();
  assert.is(epochs.current, current);
});
