// testConfig: a whole config run without a socket.
import * as assert from 'uvu/assert';
import { defineConfig } from '../../../core/config/config.ts';
import { definePlugin, withId } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { FakeClock, firstAvailable, testConfig } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('testConfig');

const toApi: Plugin = {
  name: 'to-api',
  worker({ hooks, pools, route }) {
    const api = route('the-api', pools.ensure('api'));
    hooks.route.tap('to-api', ctx => {
      if (!ctx.request.target.startsWith('/api/')) return undefined;
      ctx.outgoing.target = ctx.outgoing.target.slice('/api'.length);
      ctx.note('to the API');
      return api;
    });
  },
};
const again: Plugin = {
  name: 'again',
  worker: ({ hooks }) => hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry)),
};
const closed = definePlugin({
  name: 'closed',
  worker({ hooks }) {
    hooks.request.tap('closed', ctx =>
      ctx.request.headers.has('x-in') ? undefined : reply(403, 'no', { 'X-Closed': '1' }),
    );
  },
});

const config = defineConfig({
  listen: ':80',
  servers: ['http://d:1'],
  pools: {
    api: { servers: ['http://a:1', { url: 'http://b:1', weight: 2 }], fallback: 'spare', plugins: ['gate'] },
    spare: ['http://s:1'],
  },
  define: { gate: closed() },
  plugins: [toApi, firstAvailable, again],
});

test('returns route, pool, upstream, attempts, what was sent, and notes', async () => {
  const app = await testConfig(config);
  const plain = await app.run({ target: '/' });
  assert.equal(
    [plain.status, plain.pool.name, plain.route, plain.upstream?.id],
    [200, 'default', undefined, 'http://d:1'],
  );
  const result = await app.run({
    method: 'PUT',
    target: '/api/users',
    headers: { 'X-In': '1' },
    answers: ['CONNECT_FAILED', { status: 201, headers: { ETag: 'x' } }],
  });
  assert.equal([result.status, result.pool.name, result.route], [201, 'api', 'the-api']);
  assert.equal(
    result.attempts.map(upstream => upstream.id),
    ['http://a:1', 'http://b:1'],
  );
  assert.equal(
    result.sent.map(({ method, target }) => [method, target]),
    [
      ['PUT', '/users'],
      ['PUT', '/users'],
    ],
  );
  assert.equal([result.headers.get('etag'), result.reply], ['x', undefined]);
  assert.equal(result.notes, ['to the API']);
  await app.close();
});

test('runs the plugins of pools, named by define too', async () => {
  const app = await testConfig(config);
  const result = await app.run({ target: '/api/users' });
  assert.equal([result.status, result.reply?.body, result.headers.get('x-closed')], [403, 'no', '1']);
  await app.close();
});

test('follows the fallbacks of the config', async () => {
  const app = await testConfig(config);
  for (const id of ['http://a:1', 'http://b:1']) app.pools.get('api')?.delete(id);
  const result = await app.run({ target: '/api/x', headers: { 'X-In': '1' } });
  assert.equal([result.pool.name, result.upstream?.id], ['spare', 'http://s:1']);
  await app.close();
});

test('adds no balancer: the config’s must choose', async () => {
  const app = await testConfig({ servers: ['http://d:1'], plugins: [toApi] });
  const result = await app.run();
  assert.is(result.status, 503);
  assert.is(
    result.error?.message,
    'no plugin chooses an upstream for pool default; put a balancer such as roundRobin() into plugins',
  );
  await app.close();
});

test('marks a rehearsal for plugins', async () => {
  const seen: boolean[] = [];
  const looks: Plugin = {
    name: 'looks',
    worker: ({ hooks }) => hooks.request.tap('looks', ctx => void seen.push(ctx.rehearsal)),
  };
  const app = await testConfig({ servers: ['http://d:1'], plugins: [looks, firstAvailable] });
  await app.run();
  await app.run({ rehearsal: true });
  assert.equal(seen, [false, true]);
  await app.close();
});

test('starts no manager side, and runs the clean-ups of the worker sides', async () => {
  const seen: string[] = [];
  const both: Plugin = {
    name: 'both',
    manager: () => void seen.push('manager'),
    worker({ onClose, id }) {
      seen.push(`worker ${id}`);
      onClose(() => void seen.push('closed'));
    },
  };
  const app = await testConfig({ plugins: [both] });
  await app.close();
  assert.equal(seen, ['worker 1', 'closed']);
});

test('bounds stages by the config’s timeout, on the clock of the test', async () => {
  const clock = new FakeClock();
  const slow: Plugin = {
    name: 'slow',
    worker: ({ hooks }) => hooks.request.tapPromise('slow', () => new Promise(() => {})),
  };
  const app = await testConfig({ timeouts: { stage: '2s' }, plugins: [slow] }, { clock });
  const running = app.run();
  await clock.advanceAsync(2_000);
  assert.is((await running).error?.message, 'plugin slow in request: took over 2000 ms');
  await app.close();
});

test('refuses what weldr check refuses', async () => {
  const refused: [config: object, message: RegExp][] = [
    [
      { plugins: [closed] },
      /^plugins\[0\]: expected a plugin such as roundRobin\(\), got the function of closed/,
    ],
    [{ plugins: [toApi, toApi] }, /^plugins\[1\]: plugins\[0\] is named to-api already/],
    [{ plugins: [], pools: { a: { fallback: 'b' } } }, /^pools\.a\.fallback: there is no pool "b"/],
    [{ plugins: [], lisen: ':80' }, /^lisen: there is no such option/],
    [
      { plugins: [], pools: { a: { plugins: ['nothing'] } } },
      /^pools\.a\.plugins\[0\]: there is no plugin "nothing"/,
    ],
    [
      { plugins: [], pools: { a: { plugins: [toApi] } } },
      /to-api in route: is never asked in the scope of pool a/,
    ],
  ];
  for (const [wrong, message] of refused) {
    await testConfig(wrong as never).then(
      () => assert.unreachable(`it took ${JSON.stringify(wrong)}`),
      thrown => assert.match(thrown.message, message),
    );
  }
  await (await testConfig({ plugins: [toApi, withId('second', toApi)] })).close();
});
