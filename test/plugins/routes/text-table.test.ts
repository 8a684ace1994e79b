// Texts looked up in place, and paths whose segments share hashes.
import * as assert from 'uvu/assert';
import { context } from '../../../core/testing.ts';
import { emptyHash, hashWith } from '../../../plugins/routes/hash-table.ts';
import { RouteIndex } from '../../../plugins/routes/route-index.ts';
import { hashOf, TextTable } from '../../../plugins/routes/text-table.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the tables of routes');

/** Pairs of two characters whose hashes are the same, one after the other. */
const twins = ['bw', 'd9', 'bv', 'd8'] as const;

test('find a text within a longer one, in any case, among few or many', () => {
  for (const size of [1, 4, 5, 1000]) {
    const table = new TextTable<number>('forwards');
    for (let n = 0; n < size; n++) table.add(`Key-${n}`, n);
    for (let n = 0; n < size; n++) {
      const text = `/x/kEY-${n}/y`;
      const end = text.length - 2;
      let hash = emptyHash;
      for (let i = 3; i < end; i++) hash = hashWith(hash, text.charCodeAt(i));
      assert.is(table.find(text, 3, end, hash), n);
      if (table.isSmall) assert.is(table.findAmongFew(text, 3, end), n);
      assert.is(table.get(`key-${n}x`), undefined);
    }
    assert.is(table.size, size);
  }
});

test('find the remaining texts after others were removed', () => {
  const table = new TextTable<number>('backwards');
  const there = new Map<string, number>();
  const random = randomOf(11);
  for (let n = 0; n < 6000; n++) {
    // Many at first, few at the end.
    const text = `${twins[n % 4]}${random(n < 3000 ? 700 : 40)}`;
    if (there.delete(text)) table.remove(text.toUpperCase());
    else if (n < 3000 || random(3) === 0) {
      there.set(text, n);
      table.add(text, n);
    }
    assert.is(table.size, there.size);
    if (n % 100 === 0) for (const [each, value] of there) assert.is(table.get(each), value);
  }
  table.remove('nobody');
  for (const [each] of there) table.remove(each);
  assert.is(table.size, 0);
});

test('distinguish texts of the same hash', () => {
  assert.is(hashOf(twins[0], 'forwards'), hashOf(twins[1], 'forwards'));
  const table = new TextTable<string>('forwards');
  for (const text of [...twins, 'three', 'four']) table.add(text, text);
  for (const text of twins) assert.is(table.get(text), text);
});

test('do not confuse paths whose segments have the same hashes', () => {
  const path = (name: string, ...paths: string[]) => ({
    name,
    paths,
    priority: 0,
    hosts: [],
    conditions: 0,
    holds: undefined,
  });
  const index = new RouteIndex([
    path('one', `/x/${twins[0]}/end`),
    path('two', `/x/${twins[1]}/*`),
    path('three', `/${twins[0]}`),
    path('deep', `/:any/${twins[2]}/:id`),
    path('short', '/ab/*'),
  ]);
  const chosen = (target: string) => index.choose(context({ target }))?.route.name;
  assert.is(chosen(`/x/${twins[0]}/end`), 'one');
  assert.is(chosen(`/x/${twins[1]}/end`), 'two');
  assert.is(chosen(`/x/${twins[0]}/other`), undefined);
  assert.is(chosen(`/${twins[0]}`), 'three');
  assert.is(chosen(`/${twins[1]}`), undefined);
  assert.is(chosen(`/y/${twins[2]}/7`), 'deep');
  assert.is(chosen(`/y/${twins[3]}/7`), undefined);
  // The hash ignores one bit of each character: "B" and "b" are one letter, but "\r" and "-" are none.
  assert.is(chosen('/AB/x'), 'short');
  assert.is(chosen('/abc'), undefined);
});
