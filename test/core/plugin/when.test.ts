// when: which requests the plugins within it see, and that no spelling of a path gets past them.
import * as assert from 'uvu/assert';
import { definePlugin, withId } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry as again } from '../../../core/request/retry.ts';
import { workerSide } from '../../../core/testing.ts';
import { ipFilter, passiveHealth, retry, roundRobin } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('when');

const upstreams = ['http://a:1', 'http://b:1'];

/** A filter that refuses every request that it sees. */
const closed: Plugin = {
  name: 'closed',
  worker: ({ hooks }) => hooks.request.tap('closed', () => reply(403, 'no')),
};

const spellings = [
  '/login',
  '/login/',
  '/LOGIN',
  '/%6cogin',
  '/%6Cogin',
  '//login',
  '/./login',
  '/x/../login',
  '/x/%2e%2e/login',
  '/x/..%2flogin',
  '/login;x=1',
  '/login%2f',
  '/%5clogin',
  '/login%00',
  '/%256cogin',
  '/login?x=1',
  '/login%20',
];
for (const target of spellings) {
  test(`${target} does not get past a filter for /login, whatever surrounds it`, async () => {
    const orders: Plugin[][] = [
      [when({ path: '/login' }, closed), roundRobin(), retry()],
      [passiveHealth(), roundRobin(), retry(), when({ path: '/login' }, closed)],
    ];
    for (const plugins of orders) {
      const side = await workerSide(plugins, { upstreams });
      const { status, attempts } = await side.run({ target });
      assert.ok(status === 403 || status === 400, `${status}`);
      assert.is(attempts.length, 0);
    }
  });
}

test('other paths pass untouched, doubled slashes and encoded ones too', async () => {
  const side = await workerSide([when({ path: '/login' }, closed), roundRobin()], { upstreams });
  for (const target of ['/', '/loginx', '/x/login', '/catalog//item', '/a%2Fb', '/c%20d', '/e;f=g']) {
    const { status, sent } = await side.run({ target });
    assert.is(status, 200, target);
    assert.is(sent[0]?.target, target);
  }
});

test('an ambiguous path is refused with 400 as an error of the client, not of the plugin', async () => {
  const side = await workerSide([when({ path: '/login' }, closed), roundRobin()], { upstreams });
  const { status, error } = await side.run({ target: '//login' });
  assert.is(status, 400);
  assert.is(error?.code, 'BAD_REQUEST');
});

test('an exemption by path cannot be widened by a spelling', async () => {
  const side = await workerSide([when({ not: { path: '/public/*' } }, closed), roundRobin()], { upstreams });
  assert.is((await side.run({ target: '/public/a' })).status, 200);
  for (const target of [
    '/public/../secret',
    '/public/%2e%2e/secret',
    '/public/..%2fsecret',
    '/public%2f..%2fsecret',
  ]) {
    assert.ok([400, 403].includes((await side.run({ target })).status), target);
  }
});

test('a function is called once per request, and its plugins see all of its stages or none', async () => {
  let asked = 0;
  const seen: string[] = [];
  const watcher: Plugin = {
    name: 'watcher',
    worker({ hooks }) {
      hooks.request.tapPromise('watcher', async () => void seen.push('request'));
      hooks.selectUpstream.tapAsync('watcher', (_, done) => {
        seen.push('select');
        done();
      });
      hooks.preProxy.tap('watcher', () => void seen.push('pre'));
      hooks.judge.tap('watcher', () => void seen.push('judge'));
      hooks.respond.tap('watcher', () => void seen.push('respond'));
      hooks.finished.tap('watcher', () => void seen.push('finished'));
    },
  };
  const side = await workerSide([when(() => asked++ % 2 === 0, watcher), roundRobin()], { upstreams });
  await side.run();
  assert.equal(seen, ['request', 'select', 'pre', 'judge', 'respond', 'finished']);
  await side.run();
  assert.equal([seen.length, asked], [6, 2]);
});

test('a plugin with a role replaces the one outside, for these requests only', async () => {
  const stubborn = definePlugin({
    name: 'stubborn',
    role: 'retry',
    worker: ({ hooks }) =>
      hooks.judge.tap('stubborn', ctx =>
        ctx.error !== undefined && ctx.tried.length < 5 ? again : undefined,
      ),
  });
  const first = definePlugin({
    name: 'first',
    role: 'balancer',
    worker: ({ hooks }) => hooks.selectUpstream.tap('first', ctx => ctx.pool.get('http://b:1')),
  });
  const side = await workerSide(
    [roundRobin(), retry({ attempts: 2 }), when({ path: '/x/*' }, first(), stubborn())],
    { upstreams },
  );
  const inside = await side.run({ target: '/x/y', answers: ['CONNECT_FAILED'] });
  assert.equal([...new Set(inside.attempts.map(({ id }) => id))], ['http://b:1']);
  assert.is(inside.attempts.length, 5);
  assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).attempts.length, 2);
});

test('a when within a when of a pool needs both conditions to match', async () => {
  const side = await workerSide([roundRobin()], {
    upstreams,
    pools: { default: [when({ path: '/a/*' }, when({ method: 'POST' }, closed))] },
  });
  const status = async (method: string, target: string) => (await side.run({ method, target })).status;
  assert.equal(
    [await status('POST', '/a/b'), await status('GET', '/a/b'), await status('POST', '/b')],
    [403, 200, 200],
  );
});

test('a hook that is never called within a when is refused at the start', async () => {
  const gate: Plugin = { name: 'gate', worker: ({ hooks }) => hooks.connection.tap('gate', () => 'refuse') };
  const thrown = await workerSide([when({ path: '/x' }, gate), roundRobin()]).catch(error => error);
  assert.match(
    thrown.message,
    /gate in connection: is never asked within a when; put it into the config's own/,
  );
});

test('two plugins of one name within one when need an id', async () => {
  const thrown = await workerSide([when({ path: '/x' }, ipFilter(), ipFilter())]).catch(error => error);
  assert.match(
    thrown.message,
    /plugins\[0\]\.plugins\[1\]: plugins\[0\]\.plugins\[0\] is named when:path=\/x\/ip-filter already/,
  );
  await (await workerSide([when({ path: '/x' }, ipFilter(), withId('second', ipFilter()))])).close();
});

/** What JavaScript lets a function return, though the types do not. */
const undecided: readonly [name: string, result: () => unknown][] = [
  ['a promise of true', () => Promise.resolve(true)],
  ['a promise of false', () => Promise.resolve(false)],
  ['a promise that rejects', () => Promise.reject(new Error('unhandled?'))],
  ['nothing', () => undefined],
  ['null', () => null],
  ['a text', () => 'yes'],
  ['a number', () => 1],
];
for (const [what, result] of undecided) {
  test(`a function that returns ${what} lets no request past, and is called once`, async () => {
    let asked = 0;
    const isLogin = (): boolean => {
      asked++;
      return result() as boolean;
    };
    const conditions = [
      when(isLogin, closed),
      when({ not: isLogin }, closed),
      when({ any: [{ path: '/x' }, isLogin] }, closed),
    ];
    for (const plugin of conditions) {
      asked = 0;
      const ends: string[] = [];
      const looker: Plugin = {
        name: 'looker',
        worker({ hooks }) {
          hooks.respond.tap('looker', () => void ends.push('respond'));
          hooks.finished.tap('looker', () => void ends.push('finished'));
        },
      };
      const plugins = [{ ...plugin, children: withLooker(plugin, looker) }, roundRobin()];
      const side = await workerSide(plugins, { upstreams });
      const { status, attempts, error } = await side.run({ target: '/login' });
      assert.equal([status, attempts.length, error?.code], [500, 0, 'PLUGIN_FAILED']);
      assert.match(
        error?.message ?? '',
        /closed in request: the condition isLogin returned .*; expected true or false/,
      );
      assert.match(error?.plugin ?? '', /^when:.*\/closed$/);
      assert.equal([asked, ends], [1, ['respond', 'finished']]);
    }
  });
}

function withLooker({ children = [] }: Plugin, looker: Plugin): Plugin['children'] {
  return children.map(child => ({ ...child, plugins: [...child.plugins, looker] }));
}

test('an invalid matcher is refused where it is made', () => {
  assert.throws(() => when({ path: 'login' }, closed), /path/);
  assert.throws(() => when({}, closed), /when/);
});
