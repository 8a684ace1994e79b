// Matchers: which requests they match, what they refuse, and how they report mistakes.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { WeldrError } from '../../../core/errors.ts';
import { parse } from '../../../core/options/options.ts';
import { compileMatcher } from '../../../core/request/compiled-matcher.ts';
import {
  describeMatcher,
  type Matcher,
  type MatchFacts,
  matcherSchema,
} from '../../../core/request/matcher.ts';
import { suite } from '../../support/suite.ts';
import { type FactOptions, facts } from './facts.ts';

/** The outcome of a matcher for a request. */
function outcome(matcher: Matcher, request: FactOptions): 'match' | 'no match' | 'refused' {
  try {
    return compileMatcher(matcher)(facts(request)) ? 'match' : 'no match';
  } catch (thrown) {
    if (!(thrown instanceof WeldrError) || thrown.code !== 'BAD_REQUEST') throw thrown;
    assert.is(thrown.status, 400);
    return 'refused';
  }
}

function check(matcher: Matcher, requests: Readonly<Record<string, readonly FactOptions[]>>): void {
  for (const [expected, list] of Object.entries(requests)) {
    for (const request of list) assert.is(outcome(matcher, request), expected, JSON.stringify(request));
  }
}

const targets = (...list: string[]): FactOptions[] => list.map(target => ({ target }));

const paths = suite('a path');

paths('is matched exactly, with or without a slash at its end, in any case', () => {
  check(
    { path: '/login' },
    {
      match: targets('/login', '/login/', '/LOGIN', '/Login/', '/login?x', '/login?//', '/%6cogin'),
      'no match': targets('/', '/loginx', '/logi', '/login/x', '/x/login', '/catalog//item', '/login-', '*'),
    },
  );
  check(
    { path: '/' },
    { match: targets('/', '/?x'), 'no match': targets('/a', '*'), refused: targets('/.', '/a/..') },
  );
  check({ path: '/login/' }, { match: targets('/login', '/login/') });
});

paths('with a * at its end is matched with everything below it, at a segment border', () => {
  check(
    { path: '/api/*' },
    {
      match: targets('/api', '/api/', '/api/x/y', '/API/x', '/api?x', '/api/./y', '/api/a//b', '/api/a%2Fb'),
      'no match': targets('/apix', '/apis/x', '/ap', '/x/api/', '/', '*', '/api-x/'),
      refused: targets('/api../admin', '/api/..%2fadmin', '/api;/x', '/api%2fx', '//api/x'),
    },
  );
});

paths('/* is matched by everything', () => {
  check({ path: '/*' }, { match: targets('/', '/a', '//', '/a%2f..', '*'), refused: targets('/%', '/a%00') });
});

paths('with a parameter is matched by any one segment there', () => {
  check(
    { path: '/users/:id' },
    {
      match: targets('/users/1', '/users/1/', '/USERS/%41', '/users/a%20b'),
      'no match': targets('/users', '/users/', '/users/1/x', '/user/1', '/usersx/1'),
      refused: targets('/users/a%2Fb', '/users//1', '/users/1;x/y'),
    },
  );
  check(
    { path: '/users/:id/orders/*' },
    {
      match: targets('/users/1/orders', '/users/1/orders/2/x'),
      'no match': targets('/users/1', '/users', '/users/1/ordersx'),
    },
  );
});

paths('with spaces or letters beyond ASCII is written unencoded', () => {
  for (const path of ['/café/a b', '/caf%c3%a9/a%20b', '/CAFÉ/A B']) {
    check(
      { path },
      { match: targets('/caf%C3%A9/a%20b', '/caf%c3%a9/A%20B'), 'no match': targets('/cafe/a%20b') },
    );
  }
});

paths('is matched by a regular expression over the normal form', () => {
  check(
    { path: /^\/v\d+\/(users|orders)$/g },
    {
      match: targets('/v1/users', '/v1/users', '/%7622/orders?q'),
      'no match': targets('/v1/USERS', '/v/users'),
      refused: targets('/v1//users', '/v1/%2e%2e/v1%2fusers'),
    },
  );
  check({ path: /secret/i }, { match: targets('/x/SECRET'), 'no match': targets(`/${'a'.repeat(8000)}`) });
});

paths('is refused when it is very long for a regular expression', () => {
  check(
    { path: /x/ },
    { refused: targets(`/${'a'.repeat(9000)}`), match: targets(`/x?${'a'.repeat(9000)}`) },
  );
  check({ path: '/x' }, { 'no match': targets(`/${'a'.repeat(9000)}`) });
});

paths('in a list is matched by any of it, and all of it counts as one', () => {
  const path = ['/login', '/public/*', /^\/x$/];
  check(
    { path },
    { match: targets('/login', '/public/a', '/x', '/public/..%2flogin'), 'no match': targets('/y') },
  );
});

const bypass = suite('a filter on /login');

for (const target of [
  ...[
    '/login',
    '/%6cogin',
    '/%6Cogin',
    '//login',
    '/./login',
    '/x/../login',
    '/x/%2e%2e/login',
    '/x/..%2flogin',
  ],
  ...[
    '/login;x=1',
    '/login/',
    '/LOGIN',
    '/login%2f',
    '\\login',
    '/\\login',
    '/%5clogin',
    '/login%00',
    '/login%00/x',
  ],
  ...[
    '/%256cogin',
    '/login?x',
    '/login?',
    '/login%20',
    '/log%C0%AFin',
    '/login.',
    '/login..',
    '/login%2e',
    '/login//',
  ],
  ...[
    '/login%3f',
    '/login%23',
    '/login#x',
    '/login%3bx',
    '/;/login',
    '/;x/login',
    '/x/..;/login',
    '/x/..;a=b/login',
  ],
  ...['///login', '/%2flogin', '/%2Flogin', '/.//login', '/%2e/login', '/x/.%2e/login', '/x/%2e./login'],
  ...[
    '/x%2f..%2flogin',
    '/x%5c..%5clogin',
    '/x/..%5clogin',
    '/x\\..\\login',
    '/%252flogin',
    '/x/%252e%252e/login',
  ],
  ...[
    '//evil.test/login',
    '/%2fevil.test/login',
    '/\\evil.test/login',
    '/login%0a',
    '/login%0d%0a',
    '/%09login',
  ],
  ...[
    '/lo%09gin',
    '/log%ffin',
    '/%c1%acogin',
    '/%ef%bd%8cogin',
    '/%u006cogin',
    '/login%',
    '/login%zz',
    '/%20login',
  ],
  ...[
    '/login%252f',
    '/login%2500',
    '/x/..%00/login',
    '/x/..%20/login',
    '/login/.',
    '/login/x/..',
    '/login/x/..;/',
  ],
  ...['/login;', '/login;/', '/login/;x', '/LOGIN%2F', '/%4c%4f%47%49%4e', '/a/b/../../login'],
]) {
  bypass(`is not passed by ${JSON.stringify(target)}`, () => {
    assert.is.not(outcome({ path: '/login' }, { target }), 'no match');
    assert.is.not(outcome({ not: { path: '/login' } }, { target }), 'match');
  });
}

for (const target of [
  ...[
    '/loginx',
    '/x/login',
    '/catalog//item',
    '/a%2Fb',
    '/a;b=c/d',
    '/caf%C3%A9',
    '/a%20b',
    '/files/a.',
    '/%E9',
  ],
  ...[
    '/x?next=/login',
    '/x?//login',
    '/a%3Fb',
    '/log/in',
    '/proxy/https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc%26d',
  ],
  ...['/w/%E6%97%A5%E6%9C%AC', '/a/b;jsessionid=1', '/50%25', '/c%2B%2B', '/login.html', '/login2'],
]) {
  bypass(`does not stop ${target}`, () => assert.is(outcome({ path: '/login' }, { target }), 'no match'));
}

const incidents = suite('what misled other proxies');

incidents('a dot segment that leads elsewhere is seen (CVE-2019-9901)', () => {
  // Not bypassed, and not read as Express does, which routes by the raw path.
  for (const path of ['/private', '/info/*']) check({ path }, { refused: targets('/info/../private') });
  check({ path: ['/private', '/info/*'] }, { match: targets('/info/../private') });
  check({ path: '/other' }, { 'no match': targets('/info/../private') });
});

incidents('encoded separators are refused where a rule would depend on them (CVE-2021-29492)', () => {
  const target = '/something%2F..%2Fadmin';
  check({ path: '/admin' }, { refused: targets(target) });
  check({ path: '/something/*' }, { refused: targets(target) });
  check({ path: '/other/*' }, { 'no match': targets(target) });
  check({ method: 'GET' }, { match: targets(target) });
});

incidents('a fragment is refused (CVE-2021-32779)', () => {
  check({ path: '/app1/*' }, { refused: targets('/app1/admin#foo', '/#') });
});

incidents('path parameters do not hide dot segments (CVE-2026-73551)', () => {
  check({ path: '/user/*' }, { refused: targets('/user/..;foo=bar/admin') });
  check({ path: '/admin' }, { refused: targets('/user/..;foo=bar/admin') });
});

incidents('encoded dots are dots and encoded letters are letters (CVE-2025-47952)', () => {
  check({ path: '/with' }, { match: targets('/%77ith'), refused: targets('/without/%2E%2E/with') });
  check({ path: /with$/ }, { match: targets('/without/%2E%2E/with') });
});

incidents(
  'encoded slash, backslash, NUL, semicolon, ? and # are refused where they matter (CVE-2025-66490)',
  () => {
    for (const code of ['2F', '5C', '00', '3B', '3F', '23', '2f', '5c', '3b', '3f']) {
      check({ path: '/admin/*' }, { refused: targets(`/admin%${code}x`) });
    }
    check({ path: '/other' }, { refused: targets('/admin%00x') });
  },
);

incidents('a prefix ends at the border of a segment (CVE-2026-48020)', () => {
  check({ path: '/api/*' }, { refused: targets('/api../admin', '/api..;/admin') });
  check({ path: '/api/*' }, { 'no match': targets('/api..x/admin', '/apiadmin') });
});

incidents('escapes compare without case, hosts too, at any number (CVE-2026-27587, CVE-2026-27588)', () => {
  check({ path: '/caf%C3%A9/*' }, { match: targets('/caf%c3%a9/x', '/CAF%C3%a9') });
  const host = Array.from({ length: 150 }, (_, i) => `h${i}.example`);
  check(
    { host },
    { match: [{ host: 'H149.Example' }, { host: 'h0.EXAMPLE:80' }], 'no match': [{ host: 'h150.example' }] },
  );
});

incidents('a target has the same reading for all filters (middie, 2026)', () => {
  for (const target of ['/%2Fadmin', '//admin', '/x%2f..%2fadmin']) {
    check({ path: '/admin' }, { refused: targets(target) });
    check({ path: '/admin/*' }, { refused: targets(target) });
  }
});

const test = suite('a matcher');

test('says what is ambiguous', () => {
  const isPublic = compileMatcher({ path: '/public/*' });
  assert.throws(
    () => isPublic(facts({ target: '/public/..%2flogin' })),
    (error: Error) =>
      error.message ===
      'the path "/public/..%2flogin" is ambiguous for path=/public/*: some read it as "/public/..%2Flogin", some as "/login"',
  );
  assert.throws(
    () => isPublic(facts({ target: '/%' })),
    (error: Error) =>
      error.message ===
      'the path "/%" is ambiguous for path=/public/*: it has a % without two hexadecimal digits',
  );
});

test('matches only with all of its keys', () => {
  check(
    { path: '/login', method: 'POST', host: 'example.com' },
    {
      match: [{ target: '/login', method: 'POST' }],
      'no match': [
        { target: '/login' },
        { target: '/x', method: 'POST' },
        { target: '/login', method: 'POST', host: 'other.test' },
        // Whatever the path is, the method differs: nothing depends on the path.
        { target: '//login' },
      ],
      refused: [{ target: '//login', method: 'POST' }],
    },
  );
});

test('matches methods in any case', () => {
  check(
    { method: ['POST', 'put'] },
    {
      match: [{ method: 'POST' }, { method: 'PUT' }, { method: 'post' }],
      'no match': [{ method: 'GET' }, { method: 'POSTX' }, { method: '' }],
    },
  );
});

test('matches hosts by name, whatever their case, port and last dot', () => {
  check(
    { host: ['shop.example', '*.api.example'] },
    {
      match: [
        'shop.example',
        'Shop.Example',
        'shop.example:8080',
        'shop.example.',
        'SHOP.example.:1',
        'a.api.example',
        'a.b.API.example.:443',
      ].map(host => ({ host })),
      'no match': [
        '',
        '.',
        'shop',
        'xshop.example',
        'shop.example.x',
        'api.example',
        '.api.example',
        'xapi.example',
        '[::1]',
      ].map(host => ({ host })),
    },
  );
  check(
    { host: '[2001:db8::1]' },
    {
      match: ['[2001:db8::1]', '[2001:DB8:0::1]:80', '[2001:db8:0:0:0:0:0:1]'].map(host => ({ host })),
      'no match': ['[2001:db8::2]', '[', '2001', 'example.com'].map(host => ({ host })),
    },
  );
});

test('matches header fields by any of several lines', () => {
  const headers = (...list: [string, string][]): FactOptions => ({ headers: list });
  check(
    { header: { 'X-Role': ['admin', 'root'] } },
    {
      match: [headers(['x-role', 'admin']), headers(['X-Role', 'user'], ['X-ROLE', 'root'])],
      'no match': [headers(), headers(['X-Role', 'Admin']), headers(['X-Roles', 'admin'])],
    },
  );
  // Servers behind CGI, WSGI or PHP read these as the same field.
  check(
    { header: { 'X-Role': 'admin', X_Old: false } },
    {
      match: [headers(['X_Role', 'admin']), headers(['X-Role', 'user'], ['x.role', 'admin'])],
      'no match': [headers(['XRole', 'admin']), headers(['X-Role', 'admin'], ['X-Old', ''])],
    },
  );
  check(
    { header: { a: true, b: false } },
    { match: [headers(['A', ''])], 'no match': [headers(), headers(['a', ''], ['b', ''])] },
  );
});

test('matches parameters, encoded or not', () => {
  check(
    { query: { 'a b': 'c&d' } },
    {
      match: targets('/?a+b=c%26d', '/?x&a%20b=1&%61%20b=c%26%64', '/a//b?a+b=c%26d'),
      'no match': targets('/', '/?a+b=c&d', '/?a+b', '/?A+b=c%26d'),
    },
  );
  check(
    { query: { debug: true } },
    { match: targets('/?debug', '/?x=1&debug='), 'no match': targets('/?debugger', '/debug') },
  );
  check({ query: { x: '%' } }, { match: targets('/?x=%', '/?x=%25') });
});

test('matches cookies', () => {
  const cookie = (...lines: string[]): FactOptions => ({
    headers: lines.map(line => ['Cookie', line] as const),
  });
  check(
    { cookie: { beta: '1' } },
    {
      match: [cookie('beta=1'), cookie('a=b; beta="1"; c'), cookie('beta=2;beta=1'), cookie('x=y', 'beta=1')],
      'no match': [cookie(), cookie('beta'), cookie('beta=2'), cookie('abeta=1'), cookie('x="a; beta=12"')],
    },
  );
});

test('matches networks, schemes and listeners', () => {
  check(
    { clientIp: ['10.0.0.0/8', '::1'] },
    {
      match: [{ clientIp: '10.1.1.1' }, { clientIp: '::ffff:10.1.1.1' }, { clientIp: '::1' }],
      'no match': [{ clientIp: '192.0.2.1' }, { clientIp: '' }, { clientIp: 'unix' }],
    },
  );
  check({ scheme: 'https' }, { match: [{ scheme: 'https' }], 'no match': [{ scheme: 'http' }] });
  check({ listener: ['a', 'b'] }, { match: [{ listener: 'b' }], 'no match': [{ listener: 'B' }] });
});

test('is negated by not, and widened by any', () => {
  check(
    { not: { path: ['/public/*', '/health'] }, method: 'GET' },
    {
      match: targets('/x'),
      'no match': targets('/public/a', '/health'),
      refused: targets('/public/..%2fx', '//health'),
    },
  );
  check(
    { any: [{ path: '/a' }, { method: 'POST', not: { path: '/b' } }] },
    {
      match: [{ target: '/a' }, { target: '/c', method: 'POST' }],
      'no match': [{ target: '/c' }, { target: '/b', method: 'POST' }],
      refused: [{ target: '//a' }, { target: '//b', method: 'POST' }],
    },
  );
  // Whichever way it is read, it is one of the two.
  check({ any: [{ path: '/x' }, { not: { path: '/x' } }] }, { match: targets('//x') });
});

test('may be a function, which is called once a request, whatever the path', () => {
  let calls = 0;
  const isOdd = (): boolean => ++calls % 2 === 1;
  check(isOdd, { match: [{ target: '/%' }] });
  calls = 0;
  check({ any: [{ path: '/x' }, isOdd] }, { match: targets('/a//b') });
  assert.is(calls, 1);
});

test('fails for a function that does not return a boolean: a promise would match every request', () => {
  const isLogin = (): boolean => Promise.resolve(false) as unknown as boolean;
  for (const matcher of [isLogin, { not: isLogin }, { any: [isLogin] }]) {
    const matches = compileMatcher<MatchFacts>(matcher);
    assert.throws(
      () => matches(facts()),
      /the condition isLogin returned a promise, which is not waited for; expected true or false$/,
    );
  }
});

for (const [matcher, message] of [
  [{}, /^an empty matcher would match every request: name a path, a method or another key$/],
  [{ path: 'login' }, /^path: the path "login" does not begin with "\/": write "\/login"$/],
  [{ path: ['/a', '*'] }, /^path(?:\[1\])?: the path "\*" does not begin with "\/": write "\/\*"$/],
  [
    { path: '/a/*/b' },
    /^path: the path "\/a\/\*\/b" has a \* that is not its last segment: write "\/a\/\*" for everything below, or ":name"/,
  ],
  [{ path: '/api*' }, /write "\/api\/\*"/],
  [{ path: '/a?b' }, /^path: the path "\/a\?b" holds \? or #: name parameters under "query"$/],
  [{ path: '/a//b' }, /^path: the path "\/a\/\/b" could be read in more than one way/],
  [{ path: '/a/../b' }, /could be read in more than one way/],
  [{ path: '/a%2Fb' }, /could be read in more than one way/],
  [{ path: '/a;b' }, /could be read in more than one way/],
  [{ path: '/a%' }, /could be read in more than one way/],
  [{ path: '/:' }, /has a parameter without a name/],
  [{ path: '' }, /does not begin with/],
  [{ path: [] }, /^path: an empty list would match nothing/],
  [{ path: 3 }, /^path: expected a path such as "\/api\/\*"$/],
  [{ path: '/a', pth: '/b' }, /^pth: there is no such option; did you mean path\?$/],
  [{ method: 'GE T' }, /^method: expected a method such as "GET", got "GE T"$/],
  [{ host: 'a:80' }, /^host: the host "a:80" has a port: leave it out$/],
  [{ host: '::1' }, /write "\[::1\]"$/],
  [{ host: 'a.*.b' }, /^host: the host "a\.\*\.b" has a \* that is not its first label/],
  [{ host: 'café.example' }, /write "xn--caf-dma\.example"$/],
  [{ host: 'a b' }, /^host: expected a host such as/],
  [{ header: {} }, /^header: no name is given/],
  [{ header: { 'a b': 'c' } }, /^header: "a b" is not a name that can be sent/],
  [{ header: { a: 1 } }, /^header\.a: expected a value, a list of values, true or false, got 1$/],
  [
    { clientIp: '10.0.0.0/33' },
    /^clientIp: expected an address, a network such as "10\.0\.0\.0\/8" or "unix:", got "10\.0\.0\.0\/33"$/,
  ],
  [{ scheme: 'ftp' }, /^scheme: expected "http" or "https", got "ftp"$/],
  [{ listener: '' }, /^listener: expected text, got ""$/],
  [{ not: {} }, /^not: an empty matcher/],
  [{ any: [{ path: '/a' }, { path: 'b' }] }, /^any\[1\]\.path: the path "b"/],
  [{ any: [] }, /^any/],
] as const) {
  const show = JSON.stringify(matcher);
  test(`says what is wrong with ${show}`, () => {
    const invalid = (error: unknown): boolean => {
      if (!(error instanceof WeldrError)) return false;
      assert.match(error.message, message);
      assert.not.match(error.message, /\n/);
      return error.code === 'CONFIG_INVALID';
    };
    // A config file in JavaScript could hold it.
    assert.throws(() => compileMatcher(JSON.parse(show)), invalid);
    assert.throws(() => parse(matcherSchema, JSON.parse(show)), invalid);
  });
}

test('names the place of its mistake in the config', () => {
  assert.throws(
    () => compileMatcher({ not: { path: 'x' } }, 'plugins[2].when'),
    /^plugins\[2\]\.when\.not\.path: /,
  );
});

test('in JSON holds no code', () => {
  const error = /^path: a regular expression needs a config file in TypeScript or JavaScript/;
  assert.throws(() => parse(matcherSchema, { path: /x/ }), error);
  assert.throws(() => parse(matcherSchema, { not: () => true }));
  assert.equal(parse(matcherSchema, { any: [{ path: '/a' }, { not: { method: ['GET'] } }] }), {
    any: [{ path: '/a' }, { not: { method: ['GET'] } }],
  });
});

test('has a JSON schema', () => {
  const schema = z.toJSONSchema(matcherSchema, { io: 'input' });
  assert.ok(JSON.stringify(schema).includes('"clientIp"'));
});

test('has the same text in any order of its keys', () => {
  for (const [matcher, text] of [
    [{ path: '/login', method: 'POST' }, 'path=/login method=POST'],
    [{ method: 'POST', path: '/login' }, 'path=/login method=POST'],
    [{ path: ['/a', /^\/b$/i] }, 'path=/a|/^\\/b$/i'],
    [{ header: { b: 'x y', a: true } }, 'header.a=true header.b="x y"'],
    [
      { not: { path: '/a' }, any: [{ host: 'x' }, { scheme: 'https' }] },
      'not(path=/a) any(host=x, scheme=https)',
    ],
    [{ cookie: { c: '1' }, query: { q: ['a|b', 'c'] } }, 'query.q="a|b"|c cookie.c=1'],
    [() => true, 'function'],
    [
      function isOwn() {
        return true;
      },
      'function isOwn',
    ],
  ] as [Matcher, string][]) {
    assert.is(describeMatcher(matcher), text);
  }
});
