// SlicedList: a long list is built while the event loop turns.
import * as assert from 'uvu/assert';
import { inSlices, oneAtATime } from '../../../plugins/admin-api/sliced-list.ts';
import { suite } from '../../support/suite.ts';

const test = suite('sliced lists');

test('other work has its turn while a long list is built, and what is removed meanwhile is left out', async () => {
  const items = Array.from({ length: 200 }, (_, n) => n);
  const gone = new Set([199]);
  let turns = 0;
  const timer = setInterval(() => {
    turns++;
    gone.add(198);
  });
  const made = await inSlices(items, n => {
    const until = performance.now() + 0.5;
    while (performance.now() < until);
    return gone.has(n) ? undefined : JSON.stringify({ n });
  });
  clearInterval(timer);
  assert.ok(turns > 0);
  assert.equal(
    JSON.parse(`[${made}]`),
    items.slice(0, 198).map(n => ({ n })),
  );
  assert.is(await inSlices([], () => ''), '');
});

test('one list is built at a time, and those beyond the queue are refused', async () => {
  const first = Promise.withResolvers<void>();
  let building = 0;
  let most = 0;
  const list = (until?: Promise<void>) =>
    oneAtATime(async () => {
      most = Math.max(most, ++building);
      await until;
      building--;
      if (until === undefined) return { status: 200, body: undefined };
      throw new Error('it failed');
    }).catch(error => error);
  const lists = [list(first.promise), ...Array.from({ length: 63 }, () => list())];
  assert.is((await list()).code, 'OVERLOADED');
  first.resolve();
  const [failed, ...others] = await Promise.all(lists);
  assert.is(failed.message, 'it failed');
  assert.ok(others.every(({ status }) => status === 200));
  assert.is(most, 1);
});
