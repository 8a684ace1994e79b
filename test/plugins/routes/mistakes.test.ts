// Mistakes in routes: the check of a config reports each, with its place and the remedy.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes
import * as assert from 'uvu/assert';
import { builtInPlugins } from '../../../config/built-in-plugins.ts';
import { checkConfig } from '../../../core/config/config.ts';
import { withId } from '../../../core/plugin/define-plugin.ts';
import { type RouteInput, type RoutesOptions, roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { configErrorOf } from '../../support/weldr-error.ts';

type Rest = Omit<RoutesOptions, 'routes'>;

const settings = { listen: [{ name: 'public', address: ':8080' }], pools: { api: [], shop: [] } };

const check = (list: unknown, rest: Rest = {}) =>
  checkConfig({ ...settings, plugins: [routes(list as RouteInput[], rest), roundRobin()] });

const one = (route: object): string => configErrorOf(() => check([{ name: 'r', ...route }]));

const single = suite('a mistake in a route');

const mistakes: Record<string, [route: object, message: string]> = {
  'a missing pool': [
    { pool: 'shp' },
    'plugins[0].routes[0].pool: there is no pool "shp"; did you mean "shop"?',
  ],
  'a missing pool of a split': [
    { split: { api: 1, zzzzzz: 1 } },
    'plugins[0].routes[0].split: there is no pool "zzzzzz"; there are default, api, shop',
  ],
  'a missing listener': [
    { pool: 'api', listener: 'publik' },
    'plugins[0].routes[0].listener: there is no listener "publik"; did you mean "public"?',
  ],
  'no target': [{}, 'plugins[0].routes[0]: leads nowhere: give it one of pool, split, redirect, reply'],
  'two targets': [
    { pool: 'api', reply: {} },
    'plugins[0].routes[0].reply: this route already has pool: keep one of them',
  ],
  'a missing capture': [
    { path: '/users/:id', redirect: { to: '/people/${user}' } },
    'plugins[0].routes[0].redirect.to: there is no ${user}: the path /users/:id captures ${id}',
  ],
  'a capture of one path that another does not have': [
    { path: ['/a/*', '/b'], pool: 'api', rewrite: '/c/$1' },
    'plugins[0].routes[0].rewrite: there is no $1: the path /b captures nothing',
  ],
  'a capture in the host of a redirect': [
    { path: '/:tenant', redirect: { to: 'https://${tenant}.example/' } },
    'plugins[0].routes[0].redirect.to: a capture in the host would let clients choose it: put it after a "/", as in "https://shop.example/$1"',
  ],
  'a redirect to another scheme': [
    { redirect: { to: 'javascript:alert(1)' } },
    'plugins[0].routes[0].redirect.to: expected a path such as "/new/$1" or a URL such as "https://shop.example/$1"',
  ],
  'a redirect that is relative to a scheme': [
    { redirect: { to: '//shop.example/' } },
    'plugins[0].routes[0].redirect.to: expected a path such as "/new/$1" or a URL such as "https://shop.example/$1"',
  ],
  'a lone $': [
    { redirect: { to: '/cost$' } },
    'plugins[0].routes[0].redirect.to: $ must be followed by a number or {name}: write $1 or ${id}, and $$ for the character itself',
  ],
  'a prefix that the path does not have': [
    { path: '/shop/*', pool: 'api', stripPrefix: '/api' },
    'plugins[0].routes[0].stripPrefix: the path /shop/* does not begin with /api: write a path such as "/api/*"',
  ],
  'a prefix with an expression': [
    { path: /^\/api/, pool: 'api', stripPrefix: '/api' },
    'plugins[0].routes[0].stripPrefix: the path /^\\/api/ does not begin with /api: use rewrite',
  ],
  'a prefix and a rewrite': [
    { path: '/api/*', pool: 'api', stripPrefix: '/api', rewrite: '/x/$1' },
    'plugins[0].routes[0].stripPrefix: rewrite replaces the whole path: leave one of the two out',
  ],
  'an edit of a request that no server gets': [
    { path: '/a/*', redirect: { to: '/b/$1' }, upstreamHost: 'x' },
    'plugins[0].routes[0].upstreamHost: no server gets requests of a route with redirect: leave it out',
  ],
  'a rewrite that can be read in several ways': [
    { path: '/a/*', pool: 'api', rewrite: '/b;c/$1' },
    'plugins[0].routes[0].rewrite: servers could read this path in several ways: write it without "//", ";" and encoded slashes',
  ],
  'sticky without a split': [
    { pool: 'api', sticky: { cookie: 'x' } },
    'plugins[0].routes[0].sticky: needs split; to keep a client at one server, use a plugin such as stickyCookie',
  ],
  'only weights of 0': [{ split: { api: 0 } }, 'plugins[0].routes[0].split: expected a weight above 0'],
  'an expression that can take forever': [
    { path: /^\/(a+)+$/, pool: 'api' },
    'plugins[0].routes[0].path: the expression /^\\/(a+)+$/ repeats a group in which something repeats, which can take forever on a text that does not match: rewrite it without that',
  ],
  'an invalid expression': [
    { host: '~(', pool: 'api' },
    'plugins[0].routes[0].host: "~(" is not a regular expression: Invalid regular expression: /(/: Unterminated group',
  ],
  'an expression that never matches a path in normal form': [
    { path: /a%2fb/, pool: 'api' },
    'plugins[0].routes[0].path: the expression /a%2fb/ has %2f: write %2F, because paths are compared in normal form',
  ],
  'a path that can be read in several ways': [
    { path: 'api', pool: 'api' },
    'plugins[0].routes[0].path: the path "api" does not begin with "/": write "/api"',
  ],
  'a host with a port': [
    { host: 'a.test:80', pool: 'api' },
    'plugins[0].routes[0].host: the host "a.test:80" has a port: leave it out',
  ],
  'a field that belongs to the connection': [
    { pool: 'api', requestHeaders: { set: { Connection: 'close' } } },
    'plugins[0].routes[0].requestHeaders.set: Connection belongs to the connection and is written by Weldr',
  ],
  'Host among the fields': [
    { pool: 'api', requestHeaders: { remove: ['host'] } },
    'plugins[0].routes[0].requestHeaders.remove[0]: Host is set by upstreamHost',
  ],
  'a field with a line break': [
    { pool: 'api', responseHeaders: { add: { 'X-A': 'a\r\nb' } } },
    'plugins[0].routes[0].responseHeaders.add.X-A: has a character that is not allowed in a header',
  ],
  'a misspelt option': [
    { pool: 'api', pat: '/x' },
    'plugins[0].routes[0].pat: there is no such option; did you mean path?',
  ],
  'a reserved name': [
    { name: 'otherwise', pool: 'api' },
    'plugins[0].routes[0].name: "otherwise" is reserved for requests that no route takes; choose another name',
  ],
  'a plugin that is not defined': [
    { pool: 'api', plugins: ['auth'] },
    'plugins[0].routes[0].plugins[0]: there is no plugin "auth" in define',
  ],
  'a time of 0': [
    { pool: 'api', timeouts: { connect: 0 } },
    'plugins[0].routes[0].timeouts.connect: expected 1ms or more',
  ],
  'an invalid matcher of not': [
    { pool: 'api', not: { path: 'x' } },
    'plugins[0].routes[0].not: path: the path "x" does not begin with "/": write "/x"',
  ],
};

for (const [name, [route, message]] of Object.entries(mistakes)) {
  single(`${name} is reported with its place`, () => assert.is(one(route), message));
}

single('a plugin of define with a similar name is suggested', () => {
  const gate = { name: 'gate', worker() {} };
  const list: RouteInput[] = [{ name: 'r', pool: 'api', plugins: ['atuh'] }];
  const config = { ...settings, define: { auth: gate }, plugins: [routes(list), roundRobin()] };
  assert.is(
    configErrorOf(() => checkConfig(config)),
    'plugins[0].routes[0].plugins[0]: there is no plugin "atuh" in define; did you mean "auth"?',
  );
});

const together = suite('mistakes in a list of routes');

together('two routes of one name are refused', () => {
  const list = [
    { name: 'a', path: '/x', pool: 'api' },
    { name: 'a', path: '/y', pool: 'api' },
  ];
  assert.is(
    configErrorOf(() => check(list)),
    'plugins[0].routes[1].name: routes[0] is already called "a": choose another name',
  );
});

together('a route that can never match is reported with the route that takes its requests', () => {
  const never = (place: number, name: string, by: string): string =>
    `plugins[0].routes[${place}]: ${name} can never match, because the route ${by} takes all of its requests: put it before that one, give it a higher priority or remove it`;
  for (const [first, second] of [
    [{ path: '/x' }, { path: '/X' }],
    [{ path: '/x/*' }, { path: '/x/*' }],
    [{ path: '/:a' }, { path: '/:b' }],
    [{}, { path: '/*' }],
    [{ host: 'a.test' }, { host: 'A.test.' }],
    [{ host: '*.test' }, { host: '*.test' }],
    [{ method: ['GET', 'PUT'] }, { method: 'put' }],
    [{ header: { 'X-A': true } }, { header: { 'x-a': ['1', '2'] } }],
    [{ not: { method: 'GET' } }, { not: { method: 'GET' } }],
    [{ path: /^\/x/ }, { path: /^\/x/ }],
    [{ path: '/x/*', priority: 1 }, { path: '/x/y' }],
    [
      { path: '/:a/*', priority: 1 },
      { path: '/x/:y', host: 'a.test' },
    ],
    [{ priority: 1 }, { path: /x/, host: /y/, method: 'GET' }],
    [
      { host: '*.test', priority: 1 },
      { host: ['a.test', '*.b.test'], path: ['/x', '/y'] },
    ],
  ]) {
    const list = [
      { name: 'first', pool: 'api', ...first },
      { name: 'second', pool: 'api', ...second },
    ];
    assert.is(
      configErrorOf(() => check(list)),
      never(1, 'second', 'first'),
      JSON.stringify(second),
    );
  }
});

together('a route with some requests left is accepted', () => {
  for (const [first, second] of [
    [{ path: '/x' }, { path: '/x/*' }],
    [{ path: '/x/:a' }, { path: '/x/*' }],
    [{ method: 'GET' }, { method: ['GET', 'PUT'] }],
    [{ header: { 'X-A': '1' } }, { header: { 'X-A': true } }],
    [{ header: { 'X-A': false } }, { header: { 'X-A': true } }],
    [{ method: 'GET' }, { scheme: 'https' }],
    [{ when: () => true }, { when: () => true }],
    [{ host: /a/ }, { host: 'a.test' }],
    [{ path: '/x/:a', priority: 1 }, { path: '/x/*' }],
    [{ host: 'a.test', priority: 1 }, { host: '*.test' }],
    [{ path: '/*' }, { path: '/x' }],
  ]) {
    check([
      { name: 'first', pool: 'api', ...first },
      { name: 'second', pool: 'api', ...second },
    ]);
  }
});

together('one of several paths that never matches causes a warning', () => {
  const { remarks } = check([
    { name: 'first', path: '/x', pool: 'api' },
    { name: 'second', path: ['/x', '/y'], pool: 'api' },
  ]);
  assert.equal(remarks.warnings, [
    'plugins[0].routes[1]: one of the hosts and paths of second never matches, because the route first takes all of its requests; remove it',
  ]);
});

together(
  'otherwise is refused after a route that takes everything, with a missing pool, or with two outcomes',
  () => {
    const all = [{ name: 'all', path: '/*', pool: 'api' }];
    assert.is(
      configErrorOf(() => check(all, { otherwise: { pool: 'shop' } })),
      'plugins[0].otherwise: nothing is left for it, because the route all takes every request: leave one of them out',
    );
    assert.is(
      configErrorOf(() => check([], { otherwise: { pool: 'sop' } })),
      'plugins[0].otherwise.pool: there is no pool "sop"; did you mean "shop"?',
    );
    assert.is(
      configErrorOf(() => check([], { otherwise: { pool: 'shop', reply: {} } })),
      'plugins[0].otherwise: expected one of pool, redirect and reply',
    );
    assert.is(
      configErrorOf(() => check([], { otherwise: { redirect: { to: '/${id}' } } })),
      'plugins[0].otherwise.redirect.to: there is no ${id}: the path /* captures $1',
    );
  },
);

together('a value that is not a list of routes is refused', () => {
  assert.match(
    configErrorOf(() => check('x')),
    /^plugins\[0\]/,
  );
  assert.match(
    configErrorOf(() => check([null])),
    /^plugins\[0\]\.routes\[0\]/,
  );
  assert.match(
    configErrorOf(() => check({ routes: 5 })),
    /^plugins\[0\]\.routes: expected array, got 5/,
  );
});

const text = suite('routes in JSON');
const catalogue = await builtInPlugins();

text('are an object with the routes, or the list alone', () => {
  const list = [
    {
      name: 'api',
      host: '~^api-\\d+\\.test$',
      path: '~*^/V\\d+/',
      pool: 'api',
      plugins: [{ rateLimit: { rate: 1 } }],
    },
    { name: 'shop', path: '/shop/*', pool: 'shop', timeouts: { response: '5s' }, plugins: ['slow'] },
  ];
  for (const form of [{ routes: { routes: list } }, { routes: list }]) {
    const config = {
      ...settings,
      define: { slow: { rateLimit: { rate: 1 } } },
      plugins: ['roundRobin', form],
    };
    const { plugins } = checkConfig(config, {}, catalogue);
    assert.equal(
      plugins.map(({ name }) => name),
      ['round-robin', 'routes', 'route:api/rate-limit', 'route:shop/rate-limit'],
    );
  }
});

text('contain no code', () => {
  const list = [{ name: 'api', pool: 'api', when: 'x' }];
  assert.is(
    configErrorOf(() => checkConfig({ ...settings, plugins: [{ routes: list }] }, {}, catalogue)),
    'plugins[0].routes.routes[0].when: expected a function of the request',
  );
});

const several = suite('several lists of routes');

several('are distinguished by an id', () => {
  const first = routes([{ name: 'a', path: '/a', pool: 'api' }]);
  const second = withId('more', routes([{ name: 'b', path: '/b', pool: 'api' }]));
  const { plugins } = checkConfig({ ...settings, plugins: [first, second, roundRobin()] });
  assert.equal(plugins.map(({ name }) => name).slice(0, 2), ['routes', 'routes#more']);
});
