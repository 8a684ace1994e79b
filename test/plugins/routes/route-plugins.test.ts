// Plugins of routes by their names in define, while routes change.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { managerSide, settle, type TestManagerSide, workerSide } from '../../../core/testing.ts';
import { roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('plugins of routes at run time');

/** Refuses all with this status. */
const gate = (status: number): Plugin => ({
  name: `gate-${status}`,
  worker: ({ hooks }) => void hooks.request.tap('gate', () => reply(status, 'no\n')),
});

const define = { no: gate(403), gone: gate(410) };
const listed = [{ name: 'listed', path: '/listed/*', pool: 'default', plugins: ['no'] }];

async function withRoutes(
  body: (world: {
    side: TestManagerSide;
    status(target: string): Promise<number>;
    write(key: string, op: 'put' | 'patch' | 'remove' | 'forget', value?: object): Promise<unknown>;
  }) => Promise<void>,
): Promise<void> {
  const plugins = [routes(listed), roundRobin()];
  const side = await managerSide(plugins, { define, servers: ['http://a:1'] });
  const worker = await workerSide(plugins, { manager: side });
  try {
    await body({
      side,
      status: async target => (await worker.run({ target })).status,
      write: (key, op, value) =>
        side.pools.write(
          [op === 'put' || op === 'patch' ? { kind: 'route', key, op, value } : { kind: 'route', key, op }],
          'a test',
        ),
    });
  } finally {
    await worker.close();
    await side.close();
  }
}

test('a new route with plugins has them from its first request on, and ends them when it is removed', async () => {
  await withRoutes(async ({ side, status, write }) => {
    assert.is(await status('/new/x'), 200);
    await write('new', 'put', { path: '/new/*', pool: 'default', plugins: ['no'] });
    assert.is(await status('/new/x'), 403);
    await write('new', 'patch', { plugins: ['gone'] });
    assert.is(await status('/new/x'), 410);
    await write('new', 'patch', { plugins: [] });
    assert.is(await status('/new/x'), 200);
    await write('new', 'patch', { plugins: ['gone', 'no'] });
    assert.is(await status('/new/x'), 410);
    await write('new', 'remove');
    await settle();
    assert.equal([await status('/new/x'), side.runTime.all], [200, []]);
  });
});

test('the list of a route of the config can change, and return to that of the config', async () => {
  await withRoutes(async ({ status, write }) => {
    assert.is(await status('/listed/x'), 403);
    await write('listed', 'patch', { plugins: ['gone'] });
    assert.is(await status('/listed/x'), 410);
    await write('listed', 'forget');
    assert.is(await status('/listed/x'), 403);
  });
});

test('a name that is not in define is refused, with its whole batch of pool and route', async () => {
  await withRoutes(async ({ side, status, write }) => {
    try {
      await write('new', 'put', { path: '/new/*', pool: 'default', plugins: ['non'] });
      assert.unreachable();
    } catch (thrown) {
      assert.match(String(thrown), 'there is no plugin "non" in define; did you mean "no"?');
    }
    const batch = (names: readonly string[]) =>
      side.pools.write(
        [
          { kind: 'pool', key: 'api', op: 'add', value: { plugins: ['gone'] } },
          { kind: 'route', key: 'api', op: 'put', value: { path: '/api/*', pool: 'api', plugins: names } },
        ],
        'a test',
      );
    await batch(['nobody']).then(
      () => assert.unreachable(),
      () => {},
    );
    assert.equal([side.pools.hasPool('api'), side.runTime.all], [false, []]);
    await batch([]);
    assert.is(await status('/api/x'), 410, 'the plugin of its pool');
    await write('api', 'patch', { plugins: ['no'] });
    assert.is(await status('/api/x'), 403, 'a route is before its pool');
  });
});
