// SlicedList: a long list is made while the event loop turns.
import * as assert from 'uvu/assert';
import { inSlices } from '../../../plugins/admin-api/sliced-list.ts';
import { suite } from '../../support/suite.ts';

const test = suite('sliced lists');

test('others have their turn while a long list is made, and what is gone by then is left out', async () => {
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
