// keepNewest: deletes the oldest key to make room.
import * as assert from 'uvu/assert';
import { keepNewest } from '../../../core/bounded/newest.ts';
import { suite } from '../../support/suite.ts';

const test = suite('keepNewest');

test('deletes the key that was added first when there are too many', () => {
  const kept = new Map([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  keepNewest(kept, 3);
  assert.equal([...kept.keys()], ['a', 'b', 'c']);
  keepNewest(kept, 2);
  assert.equal([...kept.keys()], ['b', 'c']);
});

test('works on sets', () => {
  const kept = new Set([1, 2]);
  keepNewest(kept, 1);
  assert.equal([...kept], [2]);
});
