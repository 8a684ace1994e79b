// What happens to a request that a route takes: pools, splits, redirects, replies, and edits on its way.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry as retryOnce } from '../../../core/request/retry.ts';
import type { RunOptions, RunResult } from '../../../core/testing.ts';
import { workerSide } from '../../../core/testing.ts';
import { type RouteInput, roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { routed, run } from './support.ts';

type Rest = Omit<RouteInput, 'name'>;

/** Runs one request through one route, named `r`. */
const through = (route: Rest, request: RunOptions = {}): Promise<RunResult> =>
  run([{ name: 'r', ...route }], request);

const pool = suite('a route to a pool');

pool('sends requests there, and names itself', async () => {
  const result = await through({ path: '/x', pool: 'a' }, { target: '/x?y' });
  assert.equal([result.pool.name, result.route, result.sent[0]?.target], ['a', 'r', '/x?y']);
});

pool('leaves other requests to the pool default, or to otherwise', async () => {
  const list: RouteInput[] = [{ name: 'r', path: '/x', pool: 'a' }];
  const plain = await run(list);
  assert.equal([plain.pool.name, plain.route], ['default', undefined]);
  const other = await run(list, {}, { otherwise: { pool: 'b' } });
  assert.equal([other.pool.name, other.route], ['b', 'otherwise']);
  const gone = await run(list, {}, { otherwise: { reply: { status: 404, body: 'nothing here\n' } } });
  assert.equal([gone.status, gone.reply?.body, gone.route], [404, 'nothing here\n', 'otherwise']);
  const moved = await run(list, { target: '/a?b' }, { otherwise: { redirect: { to: 'https://a.test/$1' } } });
  assert.equal([moved.status, moved.headers.get('location')], [302, 'https://a.test/a?b']);
});

pool('has its own plugins, which see its requests only', async () => {
  const gate: Plugin = {
    name: 'gate',
    worker: ({ hooks }) => void hooks.request.tap('gate', () => reply(401)),
  };
  const list: RouteInput[] = [
    { name: 'closed', path: '/closed/*', pool: 'a', plugins: [gate] },
    { name: 'moved', path: '/moved', redirect: { to: '/x' }, plugins: [gate] },
    { name: 'open', path: '/*', pool: 'a' },
  ];
  const statuses = [];
  for (const target of ['/closed/x', '/moved', '/x']) statuses.push((await run(list, { target })).status);
  assert.equal(statuses, [401, 401, 200]);
});

pool('has its own timeouts and body limit', async () => {
  const large = { pool: 'a', bodyLimit: '10kb' };
  assert.is((await through(large, { method: 'POST', bodyLength: 10_000 })).status, 200);
  assert.is((await through(large, { method: 'POST', bodyLength: 10_241 })).status, 413);
  const { ctx } = await through({ pool: 'a', timeouts: { connect: '1s', response: 2000, body: '3s' } });
  assert.equal([ctx.timeouts.connect, ctx.timeouts.response, ctx.timeouts.body], [1000, 2000, 3000]);
});

pool('edits fields in both directions, including errors and replies', async () => {
  const edits = { remove: ['X-Gone'], set: { 'X-Set': 'new' }, add: { 'X-Added': '2' } };
  const route: Rest = { pool: 'a', requestHeaders: edits, responseHeaders: edits };
  const headers = { 'X-Gone': '1', 'X-Set': 'old', 'X-Added': '1' };
  const { sent, headers: got } = await through(route, { headers, answers: [{ status: 200, headers }] });
  for (const list of [sent[0]?.headers, got]) {
    assert.equal(
      [list?.has('x-gone'), list?.getAll('x-set'), list?.getAll('x-added')],
      [false, ['new'], ['1', '2']],
    );
  }
  const failed = await through(route, { answers: ['CONNECT_FAILED'] });
  assert.equal([failed.status, failed.headers.get('x-set')], [502, 'new']);
  const replied = await through({ reply: { status: 204 }, responseHeaders: edits });
  assert.equal([replied.status, replied.headers.get('x-set')], [204, 'new']);
});

pool('removes every spelling of an edited field that servers could read as the same', async () => {
  const route: Rest = { pool: 'a', requestHeaders: { remove: ['X-Role'], set: { 'X-User': 'ada' } } };
  const headers = { X_Role: 'admin', 'x.role': 'admin', x_user: 'root', 'X-User': 'root', 'X-Other': '1' };
  const { sent } = await through(route, { headers });
  const names = sent[0]?.headers.keys.filter(name => /^x[-._](?:role|user|other)$/.test(name));
  assert.equal(names, ['x-other', 'x-user']);
  assert.is(sent[0]?.headers.get('x-user'), 'ada');
});

pool('sends the server another host, which its redirects do not reveal to the client', async () => {
  const route: Rest = { pool: 'a', upstreamHost: 'internal.test' };
  const sent = await through(route);
  assert.is(sent.sent[0]?.headers.get('host'), 'internal.test');
  for (const [from, to] of [
    ['http://internal.test/x?y', '/x?y'],
    ['http://a.internal:8080/x', '/x'],
    ['http://example.com/x', 'http://example.com/x'],
    ['https://other.test/x', 'https://other.test/x'],
  ] as const) {
    const answers = [{ status: 302, headers: { Location: from } }];
    assert.is((await through(route, { answers })).headers.get('location'), to);
  }
});

const replies = suite('a route which replies');

replies('sends status, fields and body', async () => {
  const result = await through({ reply: { status: 503, headers: { 'Retry-After': '60' }, body: 'soon\n' } });
  assert.equal([result.status, result.reply?.body, result.route], [503, 'soon\n', 'r']);
  assert.equal([result.headers.get('retry-after'), result.attempts], ['60', []]);
});

const redirects = suite('a route which redirects');

const located = async (route: Rest, target: string): Promise<string | undefined> =>
  (await through(route, { target })).headers.get('location');

redirects('inserts captures', async () => {
  for (const [path, to, target, location] of [
    ['/old/*', 'https://shop.example/$1', '/old/a/b', 'https://shop.example/a/b'],
    ['/old/*', 'https://shop.example/$1', '/old', 'https://shop.example/'],
    ['/old/*', '/new/${1}x', '/old/a', '/new/ax'],
    ['/users/:id', '/people/${id}', '/users/7/', '/people/7'],
    ['/:a/:b/*', '/$1/${b}/${a}', '/x/Y/z/w', '/z/w/Y/x'],
    [/^\/v(\d+)\/(?<rest>.*)$/, '/api-$1/${rest}', '/v2/a/b', '/api-2/a/b'],
    [/^\/(x)?y$/, '/$1z', '/y', '/z'],
    [undefined, 'https://www.shop.example/$1', '/a/b', 'https://www.shop.example/a/b'],
    ['/price', '/cost?in=$$', '/price', '/cost?in=$'],
    ['/a', 'https://shop.example', '/a', 'https://shop.example'],
  ] as const) {
    assert.is(await located({ path, redirect: { to } }, target), location);
  }
});

redirects('keeps the query unless it has its own', async () => {
  assert.is(await located({ path: '/a', redirect: { to: '/b' } }, '/a?x=%2F&y'), '/b?x=%2F&y');
  assert.is(await located({ path: '/a', redirect: { to: '/b#c' } }, '/a?x'), '/b?x#c');
  assert.is(await located({ path: '/a', redirect: { to: '/b?z' } }, '/a?x'), '/b?z');
  assert.is(await located({ path: '/a', redirect: { to: '/b?' } }, '/a?x'), '/b?');
});

redirects('has the configured status, 302 by default', async () => {
  assert.is((await through({ redirect: { to: '/b' } })).status, 302);
  assert.is((await through({ redirect: { to: '/b', status: 308 } })).status, 308);
});

redirects('never leads to a host that a client names', async () => {
  const route: Rest = { path: '/old/*', redirect: { to: '/$1' } };
  for (const target of ['/old//evil.test', '/old///evil.test/x', '/old/%2Fevil.test', '/old/%5Cevil.test']) {
    const { status, headers } = await through(route, { target });
    const location = headers.get('location') ?? '/';
    assert.ok([302, 400].includes(status));
    assert.is(new URL(location, 'https://shop.example').host, 'shop.example', `${target}: ${location}`);
    assert.not.match(location, /^\/[/\\]/);
  }
});

redirects('encodes captures for the place where they are inserted', async () => {
  const inQuery: Rest = { path: '/search/:word', redirect: { to: '/find?q=${word}&n=1#${word}' } };
  for (const [word, encoded] of [
    ['a&b=c', 'a%26b%3Dc'],
    ['a+b', 'a%2Bb'],
    ['a%26b', 'a%26b'],
    ['a%23b', 'a%23b'],
    ['a%20b', 'a%20b'],
    ['%C3%A4', '%C3%A4'],
  ]) {
    assert.is(await located(inQuery, `/search/${word}`), `/find?q=${encoded}&n=1#${encoded}`);
  }
  const inPath: Rest = { path: '/search/:word', redirect: { to: '/find/${word}/x' } };
  assert.is(await located(inPath, '/search/a%3Fb%23c'), '/find/a%3Fb%23c/x');
});

const prefix = suite('stripPrefix');

const api: Rest = { path: '/api/*', pool: 'a', stripPrefix: '/api' };

async function sentTarget(route: Rest, target: string): Promise<string | number | undefined> {
  const { status, sent } = await through(route, { target });
  return status === 200 ? sent[0]?.target : status;
}

prefix('is stripped at a segment boundary, in any case, and the query stays', async () => {
  for (const [target, wanted] of [
    ['/api/x/y?z=1', '/x/y?z=1'],
    ['/api', '/'],
    ['/api/', '/'],
    ['/api?x', '/?x'],
    ['/API/X', '/X'],
    ['/api/api/x', '/api/x'],
    ['/api//x', '/x'],
    ['/api/a%20b/%C3%A4', '/a%20b/%C3%A4'],
    ['/api/a%2fb', '/a%2Fb'],
    ['/api/x;v=1/y', '/x;v=1/y'],
    ['/%61pi/x', '/x'],
    ['/api/x/../y', '/y'],
  ] as const) {
    assert.is(await sentTarget(api, target), wanted, target);
  }
});

prefix('sends the server what was stripped, whatever the client sends', async () => {
  const headers = { 'X-Forwarded-Prefix': '/evil' };
  const { sent } = await through(api, { target: '/api/x', headers });
  assert.equal(sent[0]?.headers.getAll('x-forwarded-prefix'), ['/api']);
});

prefix('is refused where a server could read the rest as something else', async () => {
  for (const target of [
    '/api/..%2fadmin',
    '/api/%2e%2e%2fadmin',
    '/api/%2Fevil.test/login',
    '/api/..;/admin',
    '/api/x/..%2f..%2f..%2fadmin',
    '/api/%5c..%5cadmin',
    '/api%2fx',
    '/x/../api/y',
    '/api/%00',
  ]) {
    assert.is(await sentTarget(api, target), 400, target);
  }
});

prefix('leaves a path that an earlier plugin has changed alone', async () => {
  for (const [made, wanted] of [
    ['/api/other', '/other'],
    ['/elsewhere', '/elsewhere'],
  ]) {
    const before: Plugin = {
      name: 'before',
      worker: ({ hooks }) =>
        void hooks.request.tap('before', ctx => {
          ctx.outgoing.target = made ?? '';
          return undefined;
        }),
    };
    const plugins = [before, routes([{ name: 'r', ...api }]), roundRobin()];
    const side = await workerSide(plugins, { upstreams: { a: ['http://a:1'] } });
    assert.is((await side.run({ target: '/api/x' })).sent[0]?.target, wanted);
  }
});

prefix('is added to the path in Location', async () => {
  for (const [from, to] of [
    ['/login?x#y', '/api/login?x#y'],
    ['/', '/api/'],
    ['/api/login', '/api/login'],
    ['/apix', '/api/apix'],
    ['http://example.com/x', 'http://example.com/api/x'],
    ['https://EXAMPLE.com', 'https://EXAMPLE.com/api/'],
    ['http://a.internal:8080/x', '/api/x'],
    ['//example.com/x', '//example.com/api/x'],
    ['https://other.test/x', 'https://other.test/x'],
    ['next', 'next'],
    ['?page=2', '?page=2'],
    ['../../up', '/api/up'],
    ['mailto:a@b.test', 'mailto:a@b.test'],
  ] as const) {
    const answers = [{ status: 302, headers: { Location: from } }];
    const { headers } = await through(api, { target: '/api/a/b', answers });
    assert.is(headers.get('location'), to, from);
  }
});

prefix('is added to Path in Set-Cookie', async () => {
  for (const [from, to] of [
    ['a=b; Path=/; HttpOnly', 'a=b; Path=/api; HttpOnly'],
    ['a=b;path=/x', 'a=b;path=/api/x'],
    ['a=b; Path=/api/x', 'a=b; Path=/api/x'],
    ['a=b; Secure', 'a=b; Secure'],
    ['__Host-a=b; Path=/; Secure', '__Host-a=b; Path=/; Secure'],
  ] as const) {
    const answers = [{ status: 200, headers: { 'Set-Cookie': from } }];
    const { headers } = await through(api, { target: '/api/a', answers });
    assert.equal(headers.getAll('set-cookie'), [to]);
  }
});

prefix('leaves replies and errors of Weldr unchanged', async () => {
  const { status, headers } = await through(api, { target: '/api/x', answers: ['CONNECT_FAILED'] });
  assert.equal([status, headers.has('location')], [502, false]);
});

prefix('is stripped once for all attempts', async () => {
  const list: RouteInput[] = [{ name: 'r', ...api }];
  const side = await workerSide(
    [
      routes(list),
      {
        name: 'again',
        worker: ({ hooks }) => void hooks.judge.tap('again', ctx => (ctx.error ? retryOnce : undefined)),
      },
      roundRobin(),
    ],
    { upstreams: { a: ['http://a:1', 'http://b:1'] } },
  );
  const { sent } = await side.run({ target: '/api/x', answers: ['CONNECT_FAILED', 200] });
  assert.equal(
    sent.map(({ target, headers }) => [target, headers.getAll('x-forwarded-prefix')]),
    [
      ['/x', ['/api']],
      ['/x', ['/api']],
    ],
  );
});

const rewrites = suite('rewrite');

rewrites('replaces the path, with captures; the query stays unless it has one', async () => {
  for (const [path, rewrite, target, wanted] of [
    ['/old/*', '/new/$1', '/old/a/b?c', '/new/a/b?c'],
    ['/users/:id', '/u?id=${id}', '/users/a&b', '/u?id=a%26b'],
    ['/users/:id', '/u?id=${id}', '/users/7?x', '/u?id=7'],
    [/^\/v\d+\/(.*)$/, '/$1', '/v2/a', '/a'],
    ['/*', '/base/$1', '/', '/base/'],
    ['/x', '/y', '/x/', '/y'],
  ] as const) {
    assert.is(await sentTarget({ path, pool: 'a', rewrite }, target), wanted);
  }
});

rewrites('is refused where a capture would add more than its segment', async () => {
  const route: Rest = { path: '/files/:name', pool: 'a', rewrite: '/store/${name}/content' };
  assert.is(await sentTarget(route, '/files/a%20b'), '/store/a%20b/content');
  assert.is(await sentTarget(route, '/files/a%3Fb'), 400);
  for (const name of [
    'a%2F..%2F..%2Fadmin%23',
    '%2e%2e',
    '..%2fadmin%3F',
    '%252e%252e%252f',
    'a%2Fb',
    'a;b',
  ]) {
    assert.is(await sentTarget(route, `/files/${name}`), 400, name);
  }
});

rewrites('leaves OPTIONS * alone', async () => {
  const { sent } = await through({ pool: 'a', rewrite: '/base/$1' }, { method: 'OPTIONS', target: '*' });
  assert.is(sent[0]?.target, '*');
});

const splits = suite('split');

async function shares(route: Rest, requests: readonly RunOptions[]): Promise<Record<string, number>> {
  const side = await routed([{ name: 'r', ...route }]);
  const counts: Record<string, number> = {};
  for (const request of requests) {
    const { pool: chosen } = await side.run(request);
    counts[chosen.name] = (counts[chosen.name] ?? 0) + 1;
  }
  return counts;
}

splits('gives each pool its share, and one of weight 0 nothing', async () => {
  const counts = await shares(
    { split: { a: 3, b: 1, c: 0 } },
    Array.from({ length: 2000 }, () => ({})),
  );
  assert.ok((counts['a'] ?? 0) > 1350 && (counts['a'] ?? 0) < 1650, JSON.stringify(counts));
  assert.equal([(counts['a'] ?? 0) + (counts['b'] ?? 0), counts['c']], [2000, undefined]);
});

splits('keeps a client at its pool by a cookie, which it gets once', async () => {
  const route: Rest = { split: { a: 50, b: 50 }, sticky: { cookie: 'canary' } };
  for (let n = 0; n < 20; n++) {
    const first = await through(route, { scheme: 'https' });
    const [cookie = ''] = first.headers.getAll('set-cookie');
    assert.match(cookie, /^canary=\d{1,6}; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
    const headers = { Cookie: `x=y; ${cookie.split(';')[0]}` };
    const second = await through(route, { headers });
    assert.equal([second.pool.name, second.headers.has('set-cookie')], [first.pool.name, false]);
  }
});

splits('moves only clients whose share has changed when weights change', async () => {
  const poolAt = async (split: Record<string, number>, place: number): Promise<string> =>
    (await through({ split, sticky: { cookie: 'c' } }, { headers: { Cookie: `c=${place}` } })).pool.name;
  const before = await Promise.all(
    [10_000, 899_999, 900_000, 950_000].map(place => poolAt({ a: 90, b: 10 }, place)),
  );
  const after = await Promise.all(
    [10_000, 899_999, 900_000, 950_000].map(place => poolAt({ a: 50, b: 50 }, place)),
  );
  assert.equal(
    [before, after],
    [
      ['a', 'a', 'b', 'b'],
      ['a', 'b', 'b', 'b'],
    ],
  );
  assert.is(await poolAt({ a: 0, b: 10 }, 10_000), 'b');
});

splits('gives a client with an unknown cookie a new one', async () => {
  for (const value of ['x', '-1', '1234567', '', '1e3']) {
    const headers = { Cookie: `c=${value}` };
    const result = await through({ split: { a: 1 }, sticky: { cookie: 'c' } }, { headers });
    assert.is(result.headers.getAll('set-cookie').length, 1, value);
  }
});

splits('keeps a client at its pool by its address, and spreads addresses', async () => {
  const route: Rest = { split: { a: 1, b: 1 }, sticky: { hash: 'client' } };
  const clients = Array.from({ length: 1000 }, (_, n) => ({ clientIp: `10.0.${n >> 8}.${n & 255}` }));
  const counts = await shares(route, clients);
  assert.ok(Math.abs((counts['a'] ?? 0) - 500) < 80, JSON.stringify(counts));
  assert.equal(await shares(route, clients), counts);
});
