// HeaderList: order, case, several lines of one name, and values that cannot inject a line.
import * as assert from 'uvu/assert';
import { deleteField } from '../../../core/request/field-aliases.ts';
import { HeaderList, hopByHop, isFieldValue, isToken } from '../../../core/request/headers.ts';
import { suite } from '../../support/suite.ts';

const test = suite('HeaderList');

function listOf(...lines: [string, string][]): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of lines) list.append(name, value);
  return list;
}

test('finds fields in any case and keeps names as received', () => {
  const list = listOf(['Content-TYPE', 'text/plain']);
  assert.is(list.get('content-type'), 'text/plain');
  assert.is(list.has('CONTENT-type'), true);
  assert.equal([...list], [['Content-TYPE', 'text/plain']]);
  assert.is(list.get('nothing'), undefined);
  assert.is(list.has('nothing'), false);
});

test('keeps lines of one name separate and in order', () => {
  const list = listOf(['Set-Cookie', 'a'], ['X', '1'], ['set-cookie', 'b']);
  assert.equal(list.getAll('Set-Cookie'), ['a', 'b']);
  assert.is(list.get('set-cookie'), 'a');
  assert.equal(list.getAll('nothing'), []);
  assert.is(list.length, 3);
});

test('deletes all lines of a name and nothing else', () => {
  const list = listOf(['a', '1'], ['B', '2'], ['A', '3'], ['c', '4'], ['a', '5']);
  assert.is(list.delete('A'), true);
  assert.equal(
    [...list],
    [
      ['B', '2'],
      ['c', '4'],
    ],
  );
  assert.equal([list.names.length, list.keys.length, list.values.length], [2, 2, 2]);
  assert.is(list.delete('a'), false);
  assert.is(list.delete('b'), true);
  assert.is(list.delete('c'), true);
  assert.equal([...list], []);
});

test('sets a field at the place of its first line and drops the others', () => {
  const list = listOf(['a', '1'], ['b', '2'], ['A', '3'], ['c', '4'], ['a', '5']);
  list.set('A', 'new');
  assert.equal(
    [...list],
    [
      ['a', 'new'],
      ['b', '2'],
      ['c', '4'],
    ],
  );
  list.set('D', 'added');
  assert.equal([...list].at(-1), ['D', 'added']);
});

test('reads lines of text when a field is asked for, and adds to either form', () => {
  const list = new HeaderList();
  list.pushLines('Host: a.test\r\nX-Empty: \r\n');
  list.append('X-More', 'a: b');
  assert.is(list.toLines(), 'Host: a.test\r\nX-Empty: \r\nX-More: a: b\r\n');
  assert.equal(list.keys, ['host', 'x-empty', 'x-more']);
  assert.equal(list.values, ['a.test', '', 'a: b']);
  list.pushLines('Via: 1.1 a\r\n');
  list.push('Date', 'date', 'today');
  assert.is(list.length, 5);
  assert.is(list.toLines(), 'Host: a.test\r\nX-Empty: \r\nX-More: a: b\r\nVia: 1.1 a\r\nDate: today\r\n');
  assert.is(list.toLines('host'), 'X-Empty: \r\nX-More: a: b\r\nVia: 1.1 a\r\nDate: today\r\n');
});

test('omits lines that the wire writes itself, however they were added', () => {
  for (const name of ['Connection', 'transfer-encoding', 'Content-Length', 'TE', 'Upgrade', 'Keep-Alive']) {
    const list = new HeaderList();
    list.pushLines('Host: a.test\r\n');
    list.append(name, '1');
    list.append('X', '2');
    assert.is(list.toLines(), 'Host: a.test\r\nX: 2\r\n');
    assert.is(list.get(name), '1');
  }
});

for (const value of ['a\r\nX: y', 'a\nb', 'a\rb', 'a\0b', 'a\x7f', 'a\x0b', 'ž', '\ud83d\ude00']) {
  test(`refuses the value ${JSON.stringify(value)}`, () => {
    const list = listOf(['a', '1']);
    assert.throws(
      () => list.append('b', value),
      (error: unknown) => error instanceof TypeError,
    );
    assert.throws(
      () => list.set('a', value),
      (error: unknown) => error instanceof TypeError,
    );
    assert.throws(
      () => list.set('b', value),
      (error: unknown) => error instanceof TypeError,
    );
    assert.equal([...list], [['a', '1']]);
  });
}

for (const name of ['', 'a b', 'a:', ':a', 'a\r\n', 'ä', 'a(b)', '"a"', 'a\t']) {
  test(`refuses the name ${JSON.stringify(name)}`, () => {
    assert.throws(
      () => new HeaderList().append(name, 'x'),
      (error: unknown) => error instanceof TypeError,
    );
    assert.throws(
      () => new HeaderList().set(name, 'x'),
      (error: unknown) => error instanceof TypeError,
    );
    assert.is(isToken(name), false);
  });
}

test('takes every character that RFC 9110 allows in names and values', () => {
  assert.is(isToken("!#$%&'*+-.^_`|~09azAZ"), true);
  assert.is(isFieldValue('\t !~\x80\xff"(),/:;<=>?@[\\]{}'), true);
  assert.is(isFieldValue(''), true);
});

test('lists the fields that never pass a proxy, in lower case', () => {
  for (const name of ['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade']) {
    assert.is(hopByHop.has(name), true);
  }
});

test('has one Date, however often it is set', () => {
  const list = listOf(['Date', 'Mon, 01 Jan 2024 00:00:00 GMT'], ['X', '1']);
  list.append('date', 'Tue, 02 Jan 2024 00:00:00 GMT');
  assert.equal(
    [...list],
    [
      ['Date', 'Tue, 02 Jan 2024 00:00:00 GMT'],
      ['X', '1'],
    ],
  );
  list.set('DATE', 'now');
  assert.equal(list.getAll('date'), ['now']);
});

test('hands out copies only', () => {
  const list = listOf(['A', '1'], ['B', '2']);
  for (const copy of [list.names, list.keys, list.values, list.getAll('a')]) (copy as string[]).length = 0;
  assert.equal(
    [...list],
    [
      ['A', '1'],
      ['B', '2'],
    ],
  );
});

test('is edited by its methods only', () => {
  const list = listOf(['A', '1']);
  for (const key of ['length', 'names', 'get', 'toLines', 'set', 'constructor']) {
    assert.is(Reflect.set(list, key, undefined), false, key);
  }
  assert.is(list.toLines(), 'A: 1\r\n');
});

test('cannot be edited once it is frozen, except by the wire', () => {
  const list = listOf(['A', '1']).freeze();
  for (const edit of [() => list.append('B', '2'), () => list.set('A', '2'), () => list.delete('A')]) {
    assert.throws(edit, /this header list cannot be edited/);
  }
  list.push('Date', 'date', 'today');
  assert.is(list.toLines(), 'A: 1\r\nDate: today\r\n');
});

test('has copies that do not change with it, and can be edited', () => {
  const text = new HeaderList();
  text.pushLines('Host: a.test\r\nA: 1\r\n');
  for (const list of [text.freeze(), listOf(['Host', 'a.test'], ['A', '1']).freeze()]) {
    const copy = list.clone();
    copy.set('A', '2');
    copy.append('B', '3');
    assert.equal(copy.values, ['a.test', '2', '3']);
    assert.equal(list.values, ['a.test', '1']);
    assert.equal([list.edited, copy.edited], [list !== text, true]);
  }
});

test('of an outgoing request keeps its one Host', () => {
  const list = listOf(['Host', 'a.test'], ['A', '1']).guardHost();
  assert.throws(() => list.append('HOST', 'b.test'), /a request has one Host/);
  assert.throws(() => list.delete('host'), /a request has one Host/);
  for (const host of ['', 'a b', 'a.test/x', 'user@a.test'])
    assert.throws(() => list.set('host', host), /not a host/);
  list.set('host', 'b.test');
  assert.equal(list.getAll('host'), ['b.test']);
  assert.is(list.delete('a'), true);
});

test('finds fields in its text as it does in its parts', () => {
  const lines = 'Host: a.test\r\nX-A: 1\r\nx-a: 2\r\nX_B: 3\r\nX-Empty: \r\nX-A-Long: 4\r\nY: x-b: 5\r\n';
  const names = ['host', 'X-A', 'x-empty', 'x-a-long', 'X_B', 'X-B', 'X', 'A', 'x-a-lon', 'Y', '5', ''];
  for (const name of names) {
    const text = new HeaderList();
    text.pushLines(lines);
    const parts = new HeaderList();
    parts.pushLines(lines);
    assert.is(parts.length, 7);
    assert.equal([text.has(name), text.get(name)], [parts.has(name), parts.get(name)], name);
    text.set('X-New', 'n');
    parts.set('X-New', 'n');
    assert.is(text.toLines(), parts.toLines());
    assert.equal([...text], [...parts]);
  }
  const many = new HeaderList();
  many.pushLines(lines);
  for (let i = 0; i < 10; i++)
    assert.equal([many.get('x-a'), many.get('x-empty'), many.has('z')], ['1', '', false]);
  many.set('X-A', '9');
  assert.equal(many.getAll('x-a'), ['9']);
});

test('drops all spellings of a field, in its text as in its parts', () => {
  const lines = 'X_User: 1\r\nHost: a.test\r\nx-user: 2\r\nX-Users: 3\r\nX.USER: 4\r\n';
  for (const isText of [true, false]) {
    const list = new HeaderList();
    list.pushLines(lines);
    if (!isText) assert.is(list.length, 5);
    deleteField(list, 'x_user');
    assert.is(list.toLines(), 'Host: a.test\r\nX-Users: 3\r\n');
    assert.is(list.edited, true);
    const untouched = new HeaderList();
    untouched.pushLines(lines);
    deleteField(untouched, 'X-Other');
    assert.is(untouched.edited, false);
    const frozen = new HeaderList();
    frozen.pushLines(lines);
    assert.throws(() => deleteField(frozen.freeze(), 'X-User'), /cannot be edited/);
  }
});
