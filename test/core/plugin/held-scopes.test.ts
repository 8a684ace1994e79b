// Scopes that the manager holds: a plugin of their list does not run there, so no worker lets a request through.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import type { Row } from '../../../core/state/row.ts';
import { managerSide, settle, type TestManagerSide, workerSide } from '../../../core/testing.ts';
import { roundRobin, routes } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('scopes that the manager holds');

const ofApi = { kind: 'pool', name: 'api' } as const;
const server = { url: 'http://a:1', weight: 1, state: 'active' } as const;

const put = (side: TestManagerSide, plugins: readonly string[] | null) =>
  side.pools.write([{ kind: 'pool', key: 'api', op: 'add', value: { plugins } }], 'a test');

/** Tells the pools of a list that another node of the cluster has written. */
function follow(side: TestManagerSide, plugins: readonly string[]): void {
  const mark = { by: 'another node', at: 1 };
  const row: Row = { kind: 'pool', key: 'api', op: 'define', value: { plugins }, ...mark };
  side.pools.state.follow({ ...mark, changes: [{ kind: 'pool', key: 'api', row }] });
}

/** A plugin whose manager side starts with `manager`, and whose worker side with `worker`. */
function half(name: string, sides: Pick<Plugin, 'manager' | 'worker'> = {}): Plugin {
  return {
    name,
    manager: sides.manager ?? (() => {}),
    worker: async side => {
      side.hooks.request.tap(name, ctx => {
        ctx.note(name);
        return undefined;
      });
      await sides.worker?.(side, undefined);
    },
  };
}

const broken = (): never => {
  throw new Error('the keys are unreadable');
};

/** A manager with a worker, and the pool api with a server. */
async function serving(define: Readonly<Record<string, Plugin>>, plugins: readonly string[]) {
  const side = await managerSide([roundRobin()], { define });
  const worker = await workerSide([roundRobin()], { manager: side });
  if (plugins.length > 0) await put(side, plugins);
  await side.pools.add('api', server);
  return { side, worker };
}

/** Another manager side in place of one, as at a reload; `define` is its own, workers keep theirs. */
async function reloaded(previous: TestManagerSide, define: Readonly<Record<string, Plugin>>) {
  await previous.close();
  return await managerSide([roundRobin()], { previous, define });
}

test('a pool whose plugin starts in the workers and not in the manager answers 503, until a reload starts it', async () => {
  const { side, worker } = await serving({ gate: half('gate') }, ['gate']);
  assert.is((await worker.run({ pool: 'api' })).status, 200);
  const without = await reloaded(side, { gate: half('gate', { manager: broken }) });
  assert.equal(without.runTime.problems(ofApi), [
    'plugin pool:api/gate did not start: the keys are unreadable',
  ]);
  const { status, headers } = await worker.run({ pool: 'api' });
  assert.equal([status, headers.get('retry-after')], [503, '1']);
  const again = await reloaded(without, { gate: half('gate') });
  const served = await worker.run({ pool: 'api' });
  assert.equal([again.runTime.problems(ofApi), served.status, served.notes], [[], 200, ['gate']]);
  for (const end of [worker, again]) await end.close();
});

test('a worker that starts while a pool is held answers 503 as well', async () => {
  const { side, worker } = await serving({ gate: half('gate') }, ['gate']);
  const without = await reloaded(side, { gate: half('gate', { manager: broken }) });
  const later = await workerSide([roundRobin()], { manager: without, id: 2 });
  assert.is((await later.run({ pool: 'api' })).status, 503);
  for (const end of [worker, later, without]) await end.close();
});

test('a list that replaces one which is held opens the pool once it has started in the worker, too', async () => {
  const opened = Promise.withResolvers<void>();
  const define = {
    gate: half('gate', { manager: broken }),
    slow: half('slow', { worker: async () => await opened.promise }),
  };
  const { side, worker } = await serving(define, []);
  follow(side, ['gate']);
  await settle();
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  follow(side, ['slow']);
  await settle();
  assert.equal(side.runTime.problems(ofApi), []);
  assert.is((await worker.run({ pool: 'api' })).status, 503, 'not by the list before');
  opened.resolve();
  await settle();
  const { status, notes } = await worker.run({ pool: 'api' });
  assert.equal([status, notes], [200, ['slow']]);
  for (const end of [worker, side]) await end.close();
});

test('a plugin that is missing in manager and worker keeps the pool closed until both have it', async () => {
  const missing = new Set(['manager', 'worker']);
  const fail = (where: string) => () => {
    if (missing.has(where)) broken();
  };
  const gate = half('gate', { manager: fail('manager'), worker: fail('worker') });
  const { side, worker } = await serving({ gate, other: half('other') }, []);
  follow(side, ['gate']);
  await settle();
  missing.delete('manager');
  const next = await reloaded(side, { gate, other: half('other') });
  assert.is(next.runTime.problems(ofApi).length, 1, 'that of the worker');
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  missing.clear();
  const fresh = await workerSide([roundRobin()], { manager: next, id: 2 });
  assert.equal((await fresh.run({ pool: 'api' })).notes, ['gate']);
  for (const end of [worker, fresh, next]) await end.close();
});

test('a pool that is removed while it is held, and made again without plugins, is open', async () => {
  const { side, worker } = await serving({ gate: half('gate', { manager: broken }) }, []);
  follow(side, ['gate']);
  await settle();
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  await side.pools.remove('api', server.url);
  await side.pools.write([{ kind: 'pool', key: 'api', op: 'remove' }], 'a test');
  await settle();
  assert.is(worker.stages.scoped, false);
  await side.pools.add('api', server);
  assert.is((await worker.run({ pool: 'api' })).status, 200);
  for (const end of [worker, side]) await end.close();
});

test('a list that is removed during a reload leaves nothing held', async () => {
  const { side, worker } = await serving({ gate: half('gate', { manager: broken }) }, []);
  follow(side, ['gate']);
  await settle();
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  await side.close();
  side.runTime.release();
  await put(side, null);
  const next = await managerSide([roundRobin()], { previous: side });
  assert.is((await worker.run({ pool: 'api' })).status, 200);
  for (const end of [worker, next]) await end.close();
});

test('a pool that is new in a cluster lets nothing through before its plugins have started in the manager', async () => {
  const opened = Promise.withResolvers<void>();
  const slow = half('slow', { manager: async () => await opened.promise });
  const side = await managerSide([roundRobin()], { define: { slow } });
  const worker = await workerSide([roundRobin()], { manager: side });
  follow(side, ['slow']);
  const added = side.pools.add('api', server);
  await settle();
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  opened.resolve();
  await added;
  assert.is((await worker.run({ pool: 'api' })).status, 200);
  for (const end of [worker, side]) await end.close();
});

test('a start that a reload interrupts holds nothing once the next manager side has done it', async () => {
  const opened = Promise.withResolvers<void>();
  const slow = half('slow', { manager: async () => await opened.promise });
  const { side, worker } = await serving({ gate: half('gate'), slow }, []);
  follow(side, ['slow', 'gate']);
  await settle();
  await side.close();
  const starting = managerSide([roundRobin()], {
    previous: side,
    define: { gate: half('gate'), slow: half('slow') },
  });
  await settle();
  opened.resolve();
  const next = await starting;
  const { status, notes } = await worker.run({ pool: 'api' });
  assert.equal([next.runTime.problems(ofApi), status, notes], [[], 200, ['slow', 'gate']]);
  for (const end of [worker, next]) await end.close();
});

test('a route is held as well, and the pool that it leads to is not', async () => {
  const plugins = () => [routes([]), roundRobin()];
  const side = await managerSide(plugins(), { define: { gate: half('gate') }, servers: [server.url] });
  const worker = await workerSide(plugins(), { manager: side });
  const value = { path: '/shop/*', pool: 'default', plugins: ['gate'] };
  await side.pools.write([{ kind: 'route', key: 'shop', op: 'add', value }], 'a test');
  assert.equal((await worker.run({ target: '/shop/1' })).notes, ['gate']);
  await side.close();
  const define = { gate: half('gate', { manager: broken }) };
  const next = await managerSide(plugins(), { previous: side, define, servers: [server.url] });
  const statuses = [await worker.run({ target: '/shop/1' }), await worker.run({ target: '/' })];
  assert.equal(
    statuses.map(({ status }) => status),
    [503, 200],
  );
  for (const end of [worker, next]) await end.close();
});

for (const [what, holds] of [
  ['begins and ends', ['incomplete', undefined]],
  ['ends', [undefined]],
] as const) {
  test(`a hold that ${what} while a worker starts leaves the plugins of its config in place`, async () => {
    const opened = Promise.withResolvers<void>();
    const slow = half('slow', { worker: async () => await opened.promise });
    const side = await managerSide([roundRobin()]);
    await side.pools.add('api', server);
    if (what === 'ends') side.runTime.hold(ofApi, 'incomplete');
    const pools = { api: [half('gate'), slow] };
    const starting = workerSide([roundRobin()], { manager: side, pools });
    await settle();
    for (const hold of holds) side.runTime.hold(ofApi, hold);
    opened.resolve();
    const worker = await starting;
    assert.equal((await worker.run({ pool: 'api' })).notes, ['gate', 'slow']);
    for (const end of [worker, side]) await end.close();
  });
}

test('a worker that starts with the plugins of its config answers 503 where the manager lacks one of them', async () => {
  const side = await managerSide([roundRobin()]);
  await side.pools.add('api', server);
  side.runTime.hold(ofApi, 'incomplete');
  const worker = await workerSide([roundRobin()], { manager: side, pools: { api: [half('gate')] } });
  assert.is((await worker.run({ pool: 'api' })).status, 503);
  side.runTime.hold(ofApi, undefined);
  const { status, notes } = await worker.run({ pool: 'api' });
  assert.equal([status, notes], [200, ['gate']]);
  for (const end of [worker, side]) await end.close();
});
