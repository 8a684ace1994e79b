// The marks of a field section: a list of fields never denies a field that it has, however it was spelt.
import * as assert from 'uvu/assert';
import { FieldReader } from '../../../../core/http/h1/fields.ts';
import { HeaderList } from '../../../../core/request/headers.ts';
import { randomOf } from '../../../support/random.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('marks of names');
const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** A name of up to 20 characters, with many of those that CGI reads as hyphens. */
function nameOf(random: (n: number) => number): string {
  return Array.from({ length: 1 + random(20) }, () =>
    random(4) === 0 ? '-_.'[random(3)] : token[random(token.length)],
  ).join('');
}

const folded = (name: string): string => name.toLowerCase().replace(/[._]/g, '-');
/** The same name as another program may write it. */
function respelt(name: string, random: (n: number) => number): string {
  return [...name]
    .map(c => (random(2) === 0 ? c.toLowerCase() : c.toUpperCase()))
    .map(c => ('-_.'.includes(c) ? ('-_.'[random(3)] ?? c) : c))
    .join('');
}

/** The lists that one section becomes: read as text, built field by field, edited, and copied. */
function listsOf(names: readonly string[]): HeaderList[] {
  const reader = new FieldReader(200, 'response');
  reader.read(`${names.map(name => `${name}: 1`).join('\r\n')}\r\n\r\n`, 0);
  const read = reader.headers;
  reader.begin();
  for (const name of names) reader.take(name.toLowerCase(), '1');
  const taken = reader.headers;
  const appended = new HeaderList();
  for (const name of names) appended.append(name, '1');
  const set = read.clone();
  for (const name of names)
    set.set(
      respelt(name, n => n - 1),
      '2',
    );
  const split = read.clone();
  assert.is(split.names.length, split.length);
  for (const name of names) split.append(name, '3');
  return [read, taken, appended, set, split, read.clone(), split.clone()];
}

test('a list never denies a field that it has, in any case and spelling', () => {
  const random = randomOf(7);
  let asked = 0;
  for (let section = 0; section < 400; section++) {
    const names = Array.from({ length: 1 + random(12) }, () => nameOf(random));
    for (const list of listsOf(names)) {
      for (const name of list.names) {
        const other = random(2) === 0 ? name.toUpperCase() : name.toLowerCase();
        assert.ok(list.clone().has(other), `has ${other}`);
        assert.type(list.clone().get(other), 'string', `get ${other}`);
        assert.ok(list.clone().getAll(other).length > 0, `getAll ${other}`);
        const key = folded(respelt(name, random));
        assert.ok(list.clone().hasSpellingOf(key), `a spelling of ${key}`);
        assert.ok(list.clone().delete(other), `delete ${other}`);
        asked++;
      }
    }
  }
  assert.ok(asked > 10_000);
});

test('an absent field is not found', () => {
  const random = randomOf(11);
  for (let section = 0; section < 400; section++) {
    const names = Array.from({ length: 1 + random(12) }, () => nameOf(random));
    const foldedNames = new Set(names.map(folded));
    for (const list of listsOf(names)) {
      const other = nameOf(random);
      if (foldedNames.has(folded(other))) continue;
      assert.not.ok(list.clone().has(other));
      assert.is(list.clone().get(other), undefined);
      assert.is(list.clone().getOnly(other), undefined);
      assert.not.ok(list.clone().hasSpellingOf(folded(other)));
      assert.not.ok(list.clone().delete(other));
    }
  }
});
