// RequestPath: the normal form of a path, and how upstreams could read it.
import * as assert from 'uvu/assert';
import { normalisePath, RequestPath } from '../../../core/request/path.ts';
import { suite } from '../../support/suite.ts';

const normal = suite('the normal form');

for (const [target, expected] of [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a/b?c/../d', '/a/b'],
  ['/?', '/'],
  ['*', '*'],
  ['/%6cogin', '/login'],
  ['/%6Cogin', '/login'],
  ['/%7euser/%2D%2e%5f', '/~user/-._'],
  ['/%77ith', '/with'],
  ['/a%2fb%5cc', '/a%2Fb%5Cc'],
  ['/a%c3%a9', '/a%C3%A9'],
  ['/info/../private', '/private'],
  ['/without/%2E%2E/with', '/with'],
  ['/a/./b', '/a/b'],
  ['/a/b/..', '/a/'],
  ['/a/b/.', '/a/b/'],
  ['/..', '/'],
  ['/../../a', '/a'],
  ['/.', '/'],
  ['/a//../b', '/a/b'],
  ['//a', '//a'],
  ['/a//b', '/a//b'],
  ['/a;x=1/b', '/a;x=1/b'],
  ['/a/..;x/b', '/a/..;x/b'],
  ['/something%2F..%2Fadmin', '/something%2F..%2Fadmin'],
  ['/%252e%252e/a', '/%252e%252e/a'],
  ['/a%zz%', '/a%zz%'],
  ['/.well-known/a.b', '/.well-known/a.b'],
  ['/a..b/...', '/a..b/...'],
] as const) {
  normal(`of ${target} is ${expected}`, () => assert.is(normalisePath(target), expected));
}

normal('of the normal form is itself', () => {
  for (const target of ['/a/%2e%2e/%7eb%2fc', '/x/%2e/y%25', '//..//a', '/%2f..%2e/']) {
    assert.is(normalisePath(normalisePath(target)), normalisePath(target));
  }
});

const test = suite('a request path');

test('is plain when every server reads it alike', () => {
  for (const target of ['/', '/a/b.c', '/a?//', '/.git/x', '/a.b/c~d', '/@me/$x:y=(1),*', '/A|B', '*']) {
    assert.is(new RequestPath(target).plainEnd, normalisePath(target).length, target);
  }
});

test('is not plain when any server could read it otherwise', () => {
  for (const target of [
    '//',
    '/a//b',
    '/a/.',
    '/a./b',
    '/a.?b',
    '/%41',
    '/a;b',
    '/a\\b',
    '/a b',
    '/é',
    'a',
    '',
    '/a#',
  ]) {
    assert.is(new RequestPath(target).plainEnd, -1, target);
  }
});

test('has no further reading when only unreserved characters are encoded', () => {
  assert.equal(new RequestPath('/%6cogin').readings, ['/login']);
});

test('may be read with its dot segments, as by routers that use the raw path', () => {
  assert.equal(new RequestPath('/x/%2e%2e/login').readings, ['/login', '/x/../login']);
});

for (const [target, reading] of [
  ['/a//b', '/a/b'],
  ['//evil/login', '/login'],
  ['/a%2Fb', '/a/b'],
  ['/a%5c..%5Clogin', '/login'],
  ['/x/..;a=b/login', '/login'],
  ['/login;a=b', '/login'],
  ['/login;a/b', '/login'],
  ['/login%3bx', '/login'],
  ['/login%20', '/login'],
  ['/login.', '/login'],
  ['/x/..%20/login', '/login'],
  ['/%20login', '/login'],
  ['/login%3fx', '/login'],
  ['/login%23x', '/login'],
  ['/login%2500x', '/login'],
  ['/log%0ain', '/login'],
  ['/%256cogin', '/login'],
  ['/%25256cogin', '/login'],
  ['/x%252f..%252flogin', '/login'],
  ['/x%c0%af..%c0%aflogin', '/login'],
  ['/x%e0%80%af../login', '/login'],
  ['/log%ffin', '/login'],
  ['/%ef%bd%8cogin', '/login'],
  ['/CAF%C3%89', '/CAF%C3%A9'],
] as const) {
  test(`${target} can be read as ${reading}`, () => {
    const path = new RequestPath(target);
    assert.is(path.problem, undefined);
    assert.ok(path.readings.includes(reading), path.readings.join(' '));
    assert.is(path.readings[0], normalisePath(target));
    assert.is(new Set(path.readings).size, path.readings.length);
  });
}

for (const target of [
  '/a%',
  '/a%zz',
  '/%u002f',
  '/a%0',
  '/a%00b',
  '/a#b',
  '/a b',
  '/é',
  'login',
  '\\login',
  '',
]) {
  test(`${JSON.stringify(target)} cannot be read at all`, () => {
    assert.type(new RequestPath(target).problem, 'string');
  });
}

test('with too many readings is abandoned early', () => {
  const hostile = `/${'a%252f..%5c;b//%c0%af. %3f'.repeat(300)}`;
  const path = new RequestPath(hostile.replaceAll(' ', '%20'));
  assert.match(path.problem ?? '', /too many ways/);
});

test('reads one target after another', () => {
  const path = new RequestPath('/a%2fb');
  assert.is(path.readings.length, 2);
  path.read('/c?d=e');
  assert.equal([path.normal, path.query, path.plainEnd, path.problem], ['/c', 'd=e', 2, undefined]);
  path.read('/%');
  assert.type(path.problem, 'string');
  path.read('/');
  assert.equal([path.normal, path.query, path.plainEnd, path.problem], ['/', '', 1, undefined]);
});
