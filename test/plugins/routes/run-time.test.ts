// Routes that operators change at run time: over those of the config, in manager and workers.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { withId } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { managerSide, type TestManagerSide, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { adminApi, type RouteInput, roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('routes at run time');

const servers = {
  default: ['http://default.internal'],
  blue: ['http://blue.internal'],
  green: ['http://green.internal'],
};

interface World {
  readonly manager: TestManagerSide;
  readonly worker: TestWorkerSide;
  /** Calls the admin API; returns status and body, or the error. */
  call(method: string, target: string, body?: unknown, headers?: { ifMatch?: string }): Promise<Answer>;
  /** The pool that a request goes to, or the status of a reply. */
  goes(target: string, more?: Record<string, string>): Promise<string | number>;
}

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at JSON
  readonly body: any;
  readonly etag: string | undefined;
}

/** Runs `body` with a manager and a worker of these plugins. */
async function withPlugins(plugins: readonly Plugin[], body: (world: World) => Promise<void>): Promise<void> {
  const all = [...plugins, roundRobin()];
  const manager = await managerSide([...all, adminApi({ listen: '127.0.0.1:0' })], {
    servers,
    listeners: ['public'],
  });
  const worker = await workerSide(all, { manager });
  try {
    await body({
      manager,
      worker,
      async call(method, target, given, headers = {}) {
        try {
          const answer = await manager.admin(method, target, given, headers);
          return { status: answer.status, body: answer.body, etag: answer.headers?.['ETag'] };
        } catch (thrown) {
          if (!(thrown instanceof WeldrError)) throw thrown;
          const { status, code, message, field } = thrown;
          return { status, body: { code, message, field }, etag: undefined };
        }
      },
      async goes(target, headers = {}) {
        const { route, pool, status, reply } = await worker.run({ target, headers });
        return reply === undefined || route === undefined ? pool.name : status;
      },
    });
  } finally {
    await worker.close();
    await manager.close();
  }
}

const withRoutes = (list: readonly RouteInput[], body: (world: World) => Promise<void>): Promise<void> =>
  withPlugins([routes(list)], body);

test('a route that is put takes requests at once, and none when it is removed', async () => {
  await withRoutes([], async ({ call, goes, manager }) => {
    const { status, body, etag } = await call('PUT', '/routes/shop', { path: '/shop/*', pool: 'blue' });
    assert.is(status, 201);
    assert.equal([body.name, body.layer, body.pool, body.priority], ['shop', 'api', 'blue', 0]);
    assert.match(etag ?? '', /^"/);
    assert.is(await goes('/shop/x'), 'blue');
    assert.is(await goes('/other'), 'default');
    assert.ok(manager.logs.some(({ msg }) => msg === 'route shop is new, by a test'));
    assert.is((await call('PUT', '/routes/shop', { path: '/shop/*', pool: 'green' })).status, 200);
    assert.is(await goes('/shop/x'), 'green');
    assert.is((await call('DELETE', '/routes/shop')).status, 204);
    assert.is(await goes('/shop/x'), 'default');
    assert.is((await call('GET', '/routes/shop')).status, 404);
    await call('PUT', '/routes/shop', { path: '/shop/*', pool: 'blue' });
    await manager.pools.state.reset('a test');
    assert.is(await goes('/shop/x'), 'default');
  });
});

test('changed fields of a route of the config are kept, and the rest follows the config', async () => {
  await withRoutes(
    [{ name: 'shop', path: '/shop/*', pool: 'blue', stripPrefix: '/shop' }],
    async ({ call, goes, worker }) => {
      const { body } = await call('PATCH', '/routes/shop', { pool: 'green' });
      assert.is(body.layer, 'config');
      assert.equal(body.overrides.pool.value, 'green');
      assert.equal(body.overrides.pool.config, 'blue');
      assert.is(await goes('/shop/x'), 'green');
      assert.is((await worker.run({ target: '/shop/x' })).sent[0]?.target, '/x');
      assert.is((await call('DELETE', '/routes/shop?override=pool')).status, 200);
      assert.is(await goes('/shop/x'), 'blue');
      assert.is((await call('DELETE', '/routes/shop')).status, 204);
      assert.is(await goes('/shop/x'), 'default');
      assert.equal(
        (await call('GET', '/routes?state=removed')).body.routes.map(({ name }: { name: string }) => name),
        ['shop'],
      );
      assert.is((await call('DELETE', '/routes/shop?override')).status, 200);
      assert.is(await goes('/shop/x'), 'blue');
    },
  );
});

test('a put over a route of the config replaces all of its fields', async () => {
  await withRoutes(
    [{ name: 'shop', path: '/shop/*', pool: 'blue', stripPrefix: '/shop' }],
    async ({ call, worker }) => {
      const { body } = await call('PUT', '/routes/shop', { path: '/shop/*', split: { green: 1 } });
      assert.equal(Object.keys(body.overrides).sort(), ['pool', 'split', 'stripPrefix']);
      const { sent, pool } = await worker.run({ target: '/shop/x' });
      assert.equal([pool.name, sent[0]?.target], ['green', '/shop/x']);
      await call('PUT', '/routes/shop', { path: '/shop/*', pool: 'blue', stripPrefix: '/shop' });
      assert.is((await call('GET', '/routes/shop')).body.overrides, undefined);
    },
  );
});

test('fields that the config has as code stay, are named, and cannot be changed', async () => {
  const list: RouteInput[] = [
    { name: 'coded', path: /^\/v\d+\//u, when: ctx => ctx.request.headers.has('x-a'), pool: 'blue' },
    { name: 'text', path: [/^\/t\d+\//, /^\/u/i], pool: 'blue' },
  ];
  await withRoutes(list, async ({ call, goes }) => {
    const { body } = await call('GET', '/routes/coded');
    assert.equal(body.code, ['path', 'when']);
    assert.is(body.path, undefined);
    assert.equal((await call('GET', '/routes/text')).body.path, ['~^\\/t\\d+\\/', '~*^\\/u']);
    await call('PATCH', '/routes/coded', { pool: 'green' });
    assert.is(await goes('/v1/x', { 'X-A': '1' }), 'green');
    assert.is(await goes('/v1/x'), 'default');
    const refused = await call('PATCH', '/routes/coded', { path: '/x' });
    assert.equal([refused.status, refused.body.field], [400, 'path']);
    assert.match(refused.body.message, /path: it is code in the config/);
  });
});

test('the config comes first among equals, then routes of operators by name; priority precedes both', async () => {
  await withRoutes([{ name: 'z', path: '/x', reply: { status: 201 } }], async ({ call, goes }) => {
    await call('PUT', '/routes/b', { path: ['/x', '/y'], reply: { status: 202 } });
    await call('PUT', '/routes/a', { path: ['/x', '/y'], reply: { status: 203 } });
    assert.equal([await goes('/x'), await goes('/y')], [201, 203]);
    await call('PATCH', '/routes/b', { priority: 1 });
    assert.equal([await goes('/x'), await goes('/y')], [202, 202]);
    await call('DELETE', '/routes/b');
    assert.equal([await goes('/x'), await goes('/y')], [201, 203]);
  });
});

test('a blue/green switch is one batch, and no request sees half of it', async () => {
  const list: RouteInput[] = ['a', 'b'].map(name => ({ name, path: `/${name}`, pool: 'blue' }));
  await withRoutes(list, async ({ call, goes, manager }) => {
    const changes = ['a', 'b'].map(name => ({ kind: 'route', op: 'patch', name, value: { pool: 'green' } }));
    const switched = call('POST', '/batch', { changes });
    const seen = new Set<string>();
    // Two requests at the same moment, many times.
    const both = async () => seen.add((await Promise.all([goes('/a'), goes('/b')])).join(' '));
    for (let i = 0; i < 20; i++) await both();
    assert.is((await switched).status, 200);
    await both();
    assert.ok(seen.isSubsetOf(new Set(['blue blue', 'green green'])), [...seen].join());
    assert.is([...seen].at(-1), 'green green');
    assert.is([...manager.pools.state.all].length, 2);
  });
});

test('a new pool, its server and the route to it can come in one batch', async () => {
  await withRoutes([], async ({ call, goes }) => {
    const changes = [
      { kind: 'route', op: 'put', name: 'next', value: { path: '/next', pool: 'next' } },
      { kind: 'pool', op: 'add', name: 'next' },
      { op: 'add', pool: 'next', url: 'http://next.internal' },
    ];
    assert.is((await call('POST', '/batch', { changes })).status, 200);
    assert.is(await goes('/next'), 'next');
  });
});

test('a missing pool is refused with the one that may have been meant', async () => {
  await withRoutes([{ name: 'shop', path: '/shop', pool: 'blue' }], async ({ call }) => {
    const put = await call('PUT', '/routes/x', { path: '/x', pool: 'gren' });
    assert.equal([put.status, put.body.field], [400, 'pool']);
    assert.match(put.body.message, /no pool "gren"; did you mean "green"\?/);
    const split = await call('PATCH', '/routes/shop', { pool: null, split: { blue: 1, nowhere: 1 } });
    assert.match(split.body.message, /no pool "nowhere"/);
    assert.is((await call('PUT', '/routes/x?dryRun', { path: '/x', pool: 'gren' })).status, 400);
    assert.is(
      (await call('PUT', '/routes/x', { path: '/x', pool: 'blue', listener: 'publc' })).body.field,
      'listener',
    );
  });
});

test('a pool that routes lead to is deleted only by force: then they respond 503 and are shown', async () => {
  await withPlugins([routes([], { otherwise: { pool: 'green' } })], async ({ call, worker }) => {
    await call('PUT', '/routes/shop', { path: '/shop', split: { default: 0, blue: 1 } });
    const refused = await call('DELETE', '/pools/blue');
    assert.is(refused.status, 409);
    assert.match(refused.body.message, /route shop leads to the pool/);
    assert.match((await call('DELETE', '/pools/green')).body.message, /otherwise of routes leads/);
    assert.is((await call('DELETE', '/pools/blue?force')).status, 204);
    assert.is((await worker.run({ target: '/shop' })).status, 503);
    assert.equal((await call('GET', '/routes/shop')).body.dangling, ['blue']);
    // Other changes are not refused because of it.
    assert.is((await call('PATCH', '/routes/shop', { priority: 3 })).status, 200);
    const changes = [
      { kind: 'route', op: 'patch', name: 'shop', value: { split: { blue: null, default: 1 } } },
      { kind: 'pool', op: 'add', name: 'blue' },
    ];
    assert.is((await call('POST', '/batch', { changes })).status, 200);
    assert.is((await call('GET', '/routes/shop')).body.dangling, undefined);
    await call('POST', '/pools/blue/servers', { url: 'http://new.internal' });
    await call('PUT', '/routes/shop', { path: '/shop', pool: 'blue' });
    assert.is((await worker.run({ target: '/shop' })).status, 200);
    await call('DELETE', '/pools/blue/servers/new.internal/80?force');
    // A route that is removed in the same batch does not hold its pool.
    const leave = [{ kind: 'route', op: 'patch', name: 'shop', value: { split: { blue: 1 } } }];
    await call('POST', '/batch', { changes: leave });
    assert.is((await call('DELETE', '/pools/blue')).status, 409);
    const both = [
      { kind: 'pool', op: 'remove', name: 'blue' },
      { kind: 'route', op: 'remove', name: 'shop' },
    ];
    assert.is((await call('POST', '/batch', { changes: both })).status, 200);
  });
});

test('a mistake in a route is reported with its field', async () => {
  await withRoutes([], async ({ call }) => {
    const wrong: [unknown, string][] = [
      [{ path: '/x' }, ''],
      [{ path: '/x', pool: 'blue', reply: {} }, 'reply'],
      [{ path: '/x', pool: 'blue', poool: 1 }, 'poool'],
      [{ path: 'x', pool: 'blue' }, 'path'],
      [{ path: '~(a+)+', pool: 'blue' }, 'path'],
      [{ path: '/x', pool: 'blue', plugins: ['auth'] }, 'plugins'],
    ];
    for (const [value, field] of wrong) {
      const { status, body } = await call('PUT', '/routes/x', value);
      assert.is(status, 400, JSON.stringify(value));
      assert.is(body.field ?? '', field, `${JSON.stringify(value)}: ${body.message}`);
    }
    assert.is((await call('PUT', '/routes/otherwise', { path: '/x', pool: 'blue' })).status, 400);
    assert.is((await call('PUT', '/routes/a%20b', { path: '/x', pool: 'blue' })).status, 400);
  });
});

test('an ETag identifies the active state, and a change with an old one is refused', async () => {
  await withRoutes([{ name: 'shop', path: '/shop', pool: 'blue' }], async ({ call }) => {
    const { etag = '' } = await call('GET', '/routes/shop');
    assert.is((await call('PATCH', '/routes/shop', { pool: 'green' }, { ifMatch: etag })).status, 200);
    assert.is((await call('PATCH', '/routes/shop', { pool: 'default' }, { ifMatch: etag })).status, 412);
    await call('PATCH', '/routes/shop', { pool: 'blue' });
    assert.is((await call('GET', '/routes/shop')).etag, etag);
  });
});

test('new routes join the list for all requests, and names are unique across all lists', async () => {
  const lists = (name: string): Plugin[] => [
    when(
      { header: { 'X-Beta': true } },
      withId('beta', routes([{ name: 'beta', path: '/x', reply: { status: 201 } }])),
    ),
    routes([{ name, path: '/y', reply: { status: 202 } }]),
  ];
  await withPlugins(lists('y'), async ({ call, goes }) => {
    await call('PUT', '/routes/new', { path: '/x', reply: { status: 203 } });
    assert.is(await goes('/x'), 203);
    assert.is(await goes('/x', { 'X-Beta': '1' }), 201);
    await call('PATCH', '/routes/beta', { reply: { status: 204 } });
    assert.is(await goes('/x', { 'X-Beta': '1' }), 204);
    assert.is(await goes('/x'), 203);
  });
  try {
    await withPlugins(lists('beta'), async () => {});
    assert.unreachable('two routes of one name');
  } catch (thrown) {
    assert.match(String(thrown), /already has a route "beta"/);
  }
  await withPlugins([when({ path: '/x' }, routes([]))], async ({ call }) => {
    const { status, body } = await call('PUT', '/routes/new', { path: '/x', reply: {} });
    assert.is(status, 409);
    assert.match(body.message, /put routes\(\[\]\) in the plugins/);
  });
});

test('a reload keeps changes of operators over the new config', async () => {
  await withRoutes([{ name: 'a', path: '/a', pool: 'blue' }], async ({ call, manager }) => {
    await call('PATCH', '/routes/a', { pool: 'green' });
    await call('PUT', '/routes/new', { path: '/new', pool: 'blue' });
    const plugins = [routes([{ name: 'a', path: '/moved', pool: 'blue' }]), roundRobin()];
    const next = await managerSide([...plugins, adminApi({ listen: '127.0.0.1:0' })], {
      previous: manager,
      servers,
    });
    const worker = await workerSide(plugins, { manager: next, id: 2 });
    const pools = await Promise.all(
      ['/moved', '/a', '/new'].map(async target => (await worker.run({ target })).pool.name),
    );
    assert.equal(pools, ['green', 'default', 'blue']);
    assert.equal(next.kinds.dangling, []);
    await worker.close();
    await next.close();
  });
});

test('requests under way keep their route', async () => {
  const list: RouteInput[] = [
    { name: 'a', path: '/a', pool: 'blue', responseHeaders: { set: { 'X-Route': 'old' } } },
  ];
  await withRoutes(list, async ({ call, worker }) => {
    const answer = Promise.withResolvers<number>();
    const running = worker.run({ target: '/a', answers: [answer.promise] });
    await call('PUT', '/routes/a', {
      path: '/a',
      pool: 'green',
      responseHeaders: { set: { 'X-Route': 'new' } },
    });
    answer.resolve(200);
    assert.is((await running).headers.get('x-route'), 'old');
    assert.is((await worker.run({ target: '/a' })).headers.get('x-route'), 'new');
  });
});

test('POST /routes/test says which route a request takes, where it leads, and why earlier ones do not match', async () => {
  const list: RouteInput[] = [
    { name: 'post', path: '/api/*', method: 'POST', header: { 'X-A': '1', 'X-B': true }, pool: 'blue' },
    { name: 'host', host: 'other.example', path: '/api/*', pool: 'blue' },
    { name: 'api', host: 'shop.example', path: '/api/:id', pool: 'green', stripPrefix: '/api' },
    { name: 'old', path: '/old/*', redirect: { to: 'https://new.example/$1', status: 308 } },
    { name: 'text', path: '/hello', reply: { status: 418 } },
  ];
  await withRoutes(list, async ({ call }) => {
    const tried = async (body: unknown) => (await call('POST', '/routes/test', body)).body;
    assert.equal(await tried({ url: 'https://shop.example/api/7?q' }), {
      route: 'api',
      pool: 'green',
      captures: { id: '7' },
      sends: { target: '/7?q' },
      before: [],
      beforeCount: 0,
    });
    const none = await tried({
      method: 'post',
      url: '/api/x/y',
      headers: { 'X-A': '2', Host: 'shop.example' },
    });
    assert.equal([none.route, none.pool], [null, 'default']);
    assert.equal(none.before, [
      { route: 'api', why: ['path'] },
      { route: 'host', why: ['host'] },
      { route: 'post', why: ['header X-A', 'header X-B'] },
    ]);
    assert.equal((await tried({ url: '/old/a' })).redirect, {
      status: 308,
      location: 'https://new.example/a',
    });
    assert.equal((await tried({ url: '/hello' })).reply, { status: 418 });
    assert.is((await tried({ url: '/old//..%2fx' })).refused.status, 400);
    assert.is((await call('POST', '/routes/test', { url: 'ftp://x' })).status, 400);
    assert.is((await call('POST', '/routes/test', { url: '/a b' })).body.field, 'url');
    await call('PUT', '/routes/more', { path: '/api/x/y', reply: { status: 204 } });
    assert.is((await tried({ url: '/api/x/y' })).route, 'more');
  });
});

test('a route that shadows others, and one that is shadowed, say so', async () => {
  await withRoutes([{ name: 'shop', path: '/shop/:id', method: 'GET', pool: 'blue' }], async ({ call }) => {
    const { status, body } = await call('PUT', '/routes/all', {
      path: '/shop/*',
      priority: 1,
      pool: 'green',
    });
    assert.is(status, 201);
    assert.equal(body.warnings, ['all takes all requests of shop first']);
    const shop = (await call('GET', '/routes/shop')).body;
    assert.equal(shop.shadowedBy, ['all']);
    assert.match(shop.warnings[0], /shop can never match/);
    await call('DELETE', '/routes/all');
    assert.is((await call('GET', '/routes/shop')).body.shadowedBy, undefined);
  });
});
