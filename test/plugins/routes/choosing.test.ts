// Which route takes a request: what matches, and which of several that do.
import * as assert from 'uvu/assert';
import { withId } from '../../../core/plugin/define-plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { managerSide, type RunOptions, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { type RouteInput, roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { routed, rules } from './support.ts';

/** The routes that requests take; a status for a refused one, `-` for none. */
async function taken(
  list: readonly RouteInput[],
  requests: readonly (string | RunOptions)[],
): Promise<string[]> {
  const side = await routed(list);
  const names = [];
  for (const request of requests) names.push(await routeOf(side, request));
  await side.close();
  return names;
}

async function routeOf(side: TestWorkerSide, request: string | RunOptions): Promise<string> {
  const result = await side.run(typeof request === 'string' ? { target: request } : request);
  return result.status === 200 ? (result.route ?? '-') : String(result.status);
}

const host = suite('a host of a route');

host('is a name, in any case, with any port, with a dot at its end', async () => {
  const list = rules({ shop: { host: 'Shop.Example' } });
  const hosts = [
    'shop.example',
    'SHOP.example',
    'shop.example:8080',
    'shop.example.',
    'shop.example.:80',
    'shop.example:',
  ];
  const others = [
    'www.shop.example',
    'shop.example.org',
    'xshop.example',
    'example',
    '',
    '10.0.0.1',
    '10.0.0.1:80',
  ];
  assert.equal(
    await taken(
      list,
      hosts.map(name => ({ host: name })),
    ),
    hosts.map(() => 'shop'),
  );
  assert.equal(
    await taken(
      list,
      others.map(name => ({ host: name })),
    ),
    others.map(() => '-'),
  );
});

host('is any name below another, of one label or more', async () => {
  const list = rules({ below: { host: '*.shop.example' } });
  const hosts = [
    'a.shop.example',
    'a.b.Shop.example:1',
    'shop.example',
    'ashop.example',
    'a.shop.example.org',
  ];
  assert.equal(
    await taken(
      list,
      hosts.map(name => ({ host: name })),
    ),
    ['below', 'below', '-', '-', '-'],
  );
});

host('is an address, an IPv6 one however it is written', async () => {
  const list = rules({ four: { host: '10.0.0.1' }, six: { host: '[2001:db8::1]' } });
  const hosts = ['10.0.0.1:80', '[2001:db8::1]', '[2001:DB8:0::1]:443', '[2001:db8::2]'];
  assert.equal(
    await taken(
      list,
      hosts.map(name => ({ host: name })),
    ),
    ['four', 'six', 'six', '-'],
  );
});

host('is a regular expression, without regard to case, port and a dot at the end', async () => {
  const list = rules({ code: { host: /^shop-\d+\.example$/ }, text: { host: '~^api-\\d+\\.example$' } });
  const hosts = ['shop-1.example', 'SHOP-12.EXAMPLE.:80', 'api-3.example', 'shop-x.example'];
  assert.equal(
    await taken(
      list,
      hosts.map(name => ({ host: name })),
    ),
    ['code', 'code', 'text', '-'],
  );
});

host('is asked from the narrowest to the widest', async () => {
  const list = rules({
    any: {},
    expression: { host: /shop/ },
    wide: { host: '*.example' },
    narrow: { host: '*.shop.example' },
    exact: { host: 'www.shop.example' },
  });
  const hosts = ['www.shop.example', 'api.shop.example', 'x.example', 'myshop.test', 'other.test'];
  assert.equal(
    await taken(
      list,
      hosts.map(name => ({ host: name })),
    ),
    ['exact', 'narrow', 'wide', 'expression', 'any'],
  );
});

host('that is narrower leaves requests that none of its routes takes to the wider ones', async () => {
  const list = rules({
    exact: { host: 'www.shop.example', path: '/exact' },
    narrow: { host: '*.shop.example', path: '/narrow' },
    wide: { host: '*.example', path: '/wide' },
    expression: { host: /shop/, path: '/expression' },
    any: { path: '/any/*' },
  });
  const targets = ['/exact', '/narrow', '/wide', '/expression', '/any/x', '/none'];
  const names = await taken(
    list,
    targets.map(target => ({ host: 'www.shop.example', target })),
  );
  assert.equal(names, ['exact', 'narrow', 'wide', 'expression', 'any', '-']);
});

const path = suite('a path of a route');

path('is exact, a prefix that ends at a segment, one with parameters, or an expression', async () => {
  const list = rules({
    exact: { path: '/login' },
    prefix: { path: '/api/*' },
    parameter: { path: '/users/:id' },
    deep: { path: '/users/:id/posts/*' },
    expression: { path: /^\/v\d+\/x$/ },
    text: { path: '~*^/OLD/' },
  });
  const expected: Record<string, string> = {
    '/login': 'exact',
    '/login/': 'exact',
    '/LOGIN?x': 'exact',
    '/login/x': '-',
    '/loginx': '-',
    '/api': 'prefix',
    '/api/': 'prefix',
    '/API/x/y?z': 'prefix',
    '/apix': '-',
    '/users/7': 'parameter',
    '/users/7/': 'parameter',
    '/users/': '-',
    '/users': '-',
    '/users/7/x': '-',
    '/users/7/posts': 'deep',
    '/users/7/posts/8/9': 'deep',
    '/v12/x': 'expression',
    '/V12/x': '-',
    '/old/x': 'text',
    '/': '-',
  };
  assert.equal(await taken(list, Object.keys(expected)), Object.values(expected));
});

path('/ is the root alone, /* is everything, OPTIONS * included', async () => {
  const root = rules({ root: { path: '/' } });
  const all = rules({ all: { path: '/*' } });
  const options: RunOptions = { method: 'OPTIONS', target: '*' };
  assert.equal(await taken(root, ['/', '/?x', '/x', options]), ['root', 'root', '-', '-']);
  assert.equal(await taken(all, ['/', '/x/y', options]), ['all', 'all', 'all']);
});

path('is compared segment by segment: a literal before a parameter, both before all below', async () => {
  const list = rules({
    rest: { path: '/*' },
    expression: { path: /^\/users/ },
    users: { path: '/users/*' },
    user: { path: '/users/:id' },
    me: { path: '/users/me' },
    posts: { path: '/users/:id/posts' },
    mine: { path: '/users/me/*' },
    longest: { path: '/users/me/posts/:post' },
  });
  const expected: Record<string, string> = {
    '/users/me': 'me',
    '/users/you': 'user',
    '/users/me/posts': 'mine',
    '/users/you/posts': 'posts',
    '/users/me/posts/1': 'longest',
    '/users/me/posts/1/2': 'mine',
    '/users/you/x/y': 'users',
    '/usersx': 'expression',
    '/other': 'rest',
  };
  assert.equal(await taken(list, Object.keys(expected)), Object.values(expected));
});

path('backtracks to a parameter, or to a wider path, where a literal leads nowhere', async () => {
  const list = rules({
    a: { path: '/a/b/c' },
    b: { path: '/a/:x/d' },
    c: { path: '/:y/b/e' },
    d: { path: '/a/*' },
  });
  assert.equal(await taken(list, ['/a/b/c', '/a/b/d', '/a/b/e', '/x/b/e', '/x/b/f']), [
    'a',
    'b',
    'd',
    'c',
    '-',
  ]);
});

path('can be one of several in a route', async () => {
  const list = rules({ both: { host: ['a.test', '*.b.test'], path: ['/x', '/y/*'] } });
  const asked = [
    { host: 'a.test', target: '/x' },
    { host: 'z.b.test', target: '/y/1' },
    { host: 'b.test', target: '/x' },
    { host: 'a.test', target: '/z' },
  ];
  assert.equal(await taken(list, asked), ['both', 'both', '-', '-']);
});

path('may have letters beyond ASCII, unencoded', async () => {
  const list = rules({ umlaut: { path: '/käse/*' } });
  assert.equal(await taken(list, ['/k%C3%A4se/x', '/k%c3%a4se', '/K%C3%A4SE', '/kase']), [
    'umlaut',
    'umlaut',
    'umlaut',
    '-',
  ]);
});

path('that is too long for an expression is refused where the expression would be tried', async () => {
  const list = rules({ expression: { host: 'a.test', path: /x$/ }, plain: { path: '/y/*' } });
  const long = `/y/${'x'.repeat(3000)}`;
  assert.equal(
    await taken(list, [
      { host: 'a.test', target: long },
      { host: 'b.test', target: long },
    ]),
    ['400', 'plain'],
  );
});

const condition = suite('a condition of a route');

condition('is about method, header, query, cookie, client, scheme or listener; all must match', async () => {
  const list = rules({
    method: { path: '/m', method: ['PUT', 'post'] },
    header: { path: '/h', header: { 'X-Beta': true, 'X-Old': false } },
    query: { path: '/q', query: { page: ['1', '2'] } },
    cookie: { path: '/c', cookie: { beta: '1' } },
    client: { path: '/i', clientIp: '10.0.0.0/8' },
    scheme: { path: '/s', scheme: 'https' },
    listener: { path: '/l', listener: 'public' },
    not: { path: '/n', not: { method: 'GET' } },
    any: { path: '/a', any: [{ method: 'PUT' }, { scheme: 'https' }] },
    code: { path: '/f', when: ctx => ctx.request.version === '1.0' },
    all: { path: '/all', method: 'PUT', scheme: 'https' },
  });
  const met: RunOptions[] = [
    { target: '/m', method: 'POST' },
    { target: '/h', headers: { 'x-beta': '' } },
    { target: '/q?page=2' },
    { target: '/c', headers: { Cookie: 'a=b; beta=1' } },
    { target: '/i', clientIp: '10.1.2.3' },
    { target: '/s', scheme: 'https' },
    { target: '/l', listener: 'public' },
    { target: '/n', method: 'PUT' },
    { target: '/a', scheme: 'https' },
    { target: '/f', version: '1.0' },
    { target: '/all', method: 'PUT', scheme: 'https' },
  ];
  assert.equal(
    await taken(list, met),
    list.map(({ name }) => name),
  );
  const unmet: (string | RunOptions)[] = ['/m', '/q?page=3', '/c', '/i', '/s', '/l', '/n', '/a', '/f'];
  unmet.push({ target: '/h', headers: { 'X-Beta': '1', 'X-Old': '1' } }, { target: '/all', method: 'PUT' });
  assert.equal(
    await taken(list, unmet),
    unmet.map(() => '-'),
  );
});

condition('puts a route with more of them first, before the order of the list', async () => {
  const list = rules({
    plain: { path: '/x' },
    one: { path: '/x', method: 'PUT' },
    other: { path: '/x', header: { 'X-A': true } },
    two: { path: '/x', method: 'PUT', header: { 'X-A': true } },
    three: { path: '/x', header: { 'X-A': '1', 'X-B': '1' }, when: () => true },
  });
  const target = '/x';
  const requests: RunOptions[] = [
    { target },
    { target, method: 'PUT' },
    { target, headers: { 'X-A': '2' } },
    { target, method: 'PUT', headers: { 'X-A': '2' } },
    { target, method: 'PUT', headers: { 'X-A': '1', 'X-B': '1' } },
  ];
  assert.equal(await taken(list, requests), ['plain', 'one', 'other', 'two', 'three']);
});

condition('in code that returns no boolean fails the request', async () => {
  const list = rules({ careless: { path: '/x', when: (async () => true) as never } });
  assert.equal(await taken(list, ['/x', '/y']), ['500', '-']);
});

condition('is evaluated only for its path', async () => {
  let asked = 0;
  const list = rules({
    asked: {
      path: '/x',
      when: () => {
        asked++;
        return false;
      },
    },
  });
  assert.equal([await taken(list, ['/y', '/x']), asked], [['-', '-'], 1]);
});

const lists = suite('several lists of routes');

lists('are tried one after the other, one in a when only for its requests', async () => {
  const inner = when({ host: 'a.test' }, routes([{ name: 'inner', path: '/x/*', pool: 'a' }]));
  const first = routes([{ name: 'first', path: '/y', pool: 'a' }]);
  const second = withId('second', routes([{ name: 'second', path: '/*', pool: 'b' }]));
  const side = await workerSide([inner, first, second, roundRobin()], {
    upstreams: { a: ['http://a:1'], b: ['http://b:1'] },
  });
  const names = [];
  for (const [host, target] of [
    ['a.test', '/x'],
    ['b.test', '/x'],
    ['a.test', '/y'],
  ] as const) {
    names.push((await side.run({ host, target })).route);
  }
  assert.equal(names, ['inner', 'second', 'first']);
});

lists('log how many routes they have, and where other requests go', async () => {
  const said = async (...options: Parameters<typeof routes>): Promise<unknown> => {
    const { logs } = await managerSide(routes(...options));
    return logs.map(({ routes: count, otherwise }) => [count, otherwise]);
  };
  const list: RouteInput[] = [{ name: 'x', path: '/x', pool: 'a' }];
  assert.equal(await said(list), [[1, 'pool default']]);
  assert.equal(await said(list, { otherwise: { pool: 'b' } }), [[1, 'pool b']]);
  assert.equal(await said([], { otherwise: { reply: {} } }), [[0, 'a reply']]);
  assert.equal(await said([], { otherwise: { redirect: { to: '/x' } } }), [[0, 'a redirect']]);
});

const priority = suite('the priority of a route');

priority('decides before all else', async () => {
  const list = rules({
    exact: { host: 'a.test', path: '/x', method: 'GET' },
    low: { path: '/*', priority: -1 },
    wide: { path: '/x/*', priority: 5, header: { 'X-Maintenance': true } },
    expression: { path: /^\/z/, priority: 1 },
    z: { path: '/z/a' },
    zz: { host: 'a.test', path: '/z/*', priority: 2, method: 'PUT' },
  });
  const requests: RunOptions[] = [
    { host: 'a.test', target: '/x' },
    { host: 'a.test', target: '/x', headers: { 'X-Maintenance': '1' } },
    { host: 'b.test', target: '/x' },
    { host: 'a.test', target: '/z/a' },
    { host: 'a.test', target: '/z/a', method: 'PUT' },
  ];
  assert.equal(await taken(list, requests), ['exact', 'wide', 'low', 'expression', 'zz']);
});
