// The events of a manager, bounded events of plugins, and problems that last until they are solved.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { managerSide, type TestManagerSide } from '../../core/testing.ts';
import { suite } from '../support/suite.ts';

const test = suite('manager events');

const [a, b] = ['http://10.0.0.1:3000', 'http://10.0.0.2:3000'] as const;

/** A plugin whose side the test uses. */
async function withSide(name = 'probe', previous?: TestManagerSide) {
  const got = Promise.withResolvers<ManagerSide>();
  const plugin = definePlugin({
    name,
    manager: side => {
      got.resolve(side as ManagerSide);
      side.pools.setting(`${name}-limits`, {
        schema: z.object({ limit: z.number(), password: z.string() }),
        base: { limit: 1, password: 'x' },
      });
    },
  });
  const servers = { default: [a], api: [a, b] };
  const manager = await managerSide(plugin(), previous === undefined ? { servers } : { previous, servers });
  return { manager, side: await got.promise };
}

const briefly = ({ events }: TestManagerSide, from = 0) =>
  events.after(from).events.map(({ type, by, from, to }) => [type, by, from, to]);

test('the start of a config is not an event', async () => {
  const { manager } = await withSide();
  assert.equal(manager.events.all, []);
});

test('a change of state says from what, to what, why and by whom', async () => {
  const { manager, side } = await withSide();
  side.pools.verdict('api', a, 'connection refused');
  const [down] = manager.events.all;
  assert.equal(
    { ...down, id: 0, at: 0 },
    {
      id: 0,
      at: 0,
      type: 'server.state',
      severity: 'warning',
      text: `server ${a} in pool api is down: connection refused`,
      by: 'probe',
      pool: 'api',
      server: a,
      from: 'active',
      to: 'down',
      reason: 'connection refused',
    },
  );
  side.pools.verdict('api', b, 'status 500');
  assert.is(manager.events.all[1]?.severity, 'error', 'the last one of its pool');
  side.pools.verdict('api', a, undefined);
  assert.equal(briefly(manager).at(-1), ['server.state', 'probe', 'down', 'active']);
});

test('a change by an operator is recorded once, with who made it', async () => {
  const { manager, side } = await withSide();
  const by = '10.0.0.9 with the token';
  const key = `api/${a}`;
  await side.operator.write([{ kind: 'server', key, op: 'patch', value: { state: 'draining' } }], by);
  assert.equal(briefly(manager), [['server.state', by, 'active', 'draining']]);
  const { last } = manager.events;
  await side.operator.write([{ kind: 'server', key, op: 'patch', value: { weight: 7 } }], by);
  await side.operator.write([{ kind: 'pool', key: 'api', op: 'patch', value: { fallback: 'default' } }], by);
  await side.operator.remove('api', b, { force: true }, by);
  assert.equal(briefly(manager, last), [
    ['server.changed', by, 1, 7],
    ['pool.changed', by, undefined, 'default'],
    ['server.removed', by, undefined, undefined],
  ]);
});

test('a removed server that had requests is recorded again when it is gone', async () => {
  const { manager, side } = await withSide();
  manager.admit(1, { apply: () => {}, applyRows: () => {}, receive: () => {} });
  await side.operator.remove('api', a);
  assert.equal(
    manager.events.all.map(({ type }) => type),
    ['server.removed'],
  );
  manager.workerIdle(1, 'api', a);
  assert.is(manager.events.all.at(-1)?.type, 'server.left');
});

test('secrets are not recorded: keys of servers, and values of settings', async () => {
  const { manager, side } = await withSide();
  const setting = { kind: 'setting', key: 'probe-limits', op: 'patch' } as const;
  await side.operator.write([{ ...setting, value: { password: 'hunter2', limit: 3 } }], 'me');
  assert.equal(manager.events.all.map(({ text }) => text).sort(), [
    'setting probe-limits: limit changed, by me',
    'setting probe-limits: password changed, by me',
  ]);
  assert.not.match(JSON.stringify(manager.events.all) + JSON.stringify(manager.logs), /hunter2/);
});

test('the leader is recorded when it changes, and not with each renewal', async () => {
  const { manager } = await withSide();
  const lead = (leading: boolean, leader: string | undefined) =>
    manager.hooks.leaderChanged.promise({ leading, leader, until: 0 });
  await lead(true, 'here');
  await lead(true, 'here');
  await lead(false, undefined);
  await lead(false, 'there');
  assert.equal(
    manager.events.all.map(({ type, text }) => [type, text]),
    [
      ['leader.won', 'this node leads the cluster'],
      ['leader.lost', 'this node no longer leads the cluster'],
      ['leader.changed', 'there leads the cluster'],
    ],
  );
});

test('a store that is away for some seconds is recorded, and is a problem until it is back', async () => {
  const { manager } = await withSide();
  let isAway = false;
  const stop = manager.recorder.watch({ storeIsAway: () => isAway, dangling: () => undefined });
  isAway = true;
  manager.clock.advance(1000);
  isAway = false;
  manager.clock.advance(1000);
  assert.equal(manager.events.all, [], 'a moment does not count');
  isAway = true;
  manager.clock.advance(5000);
  assert.equal(
    manager.problems.list.map(({ severity }) => severity),
    ['error'],
  );
  isAway = false;
  manager.clock.advance(5000);
  assert.equal(
    manager.events.all.map(({ type }) => type),
    ['store.away', 'store.back'],
  );
  assert.equal(manager.problems.list, []);
  stop();
  assert.is(manager.clock.pending, 0);
});

test('a plugin adds events and problems in its own name, up to a limit', async () => {
  const { manager, side } = await withSide();
  for (let count = 0; count < 70; count++) side.events.add({ type: 'quota.spent', text: `spent ${count}` });
  assert.is(manager.events.all.length, 50);
  assert.is(manager.events.all[0]?.by, 'probe');
  manager.clock.advance(10_000);
  assert.is(manager.events.all.at(-1)?.text, '20 more events of plugin probe are left out');
  for (let count = 0; count < 70; count++) side.events.problem(`p${count}`, { text: 'it is bad' });
  assert.is(manager.problems.list.length, 50);
});

test('a problem keeps its start time, and ends when its plugin clears it or ends', async () => {
  const { manager, side } = await withSide();
  side.events.problem('disk', { text: 'the disk is full', pool: 'api' });
  const since = manager.clock.now();
  manager.clock.advance(500);
  side.events.problem('disk', { text: 'the disk is still full', pool: 'api' });
  assert.equal(side.events.problems, [
    { text: 'the disk is still full', pool: 'api', severity: 'warning', since },
  ]);
  side.events.problem('disk', undefined);
  assert.equal(
    manager.events.all.map(({ type, by, pool }) => [type, by, pool]),
    ['problem.raised', 'problem.raised', 'problem.cleared'].map(type => [type, 'probe', 'api']),
  );
  side.events.problem('disk', { text: 'the disk is full' });
  await manager.close();
  const { manager: same } = await withSide('probe', manager);
  assert.is(same.problems.list.length, 1, 'over a reload it stays');
  await same.close();
  const { manager: next } = await withSide('another', same);
  assert.equal(next.problems.list, []);
  assert.ok(next.events.all.length > 0, 'events stay');
});

test('an error of a plugin on an event is logged, and the plugin receives nothing after its end', async () => {
  const { manager, side } = await withSide();
  let heard = 0;
  side.events.follow(() => {
    heard++;
    throw new Error('no');
  });
  manager.events.add({ type: 'test.told', text: 'one' });
  assert.is(manager.logs.at(-1)?.msg, 'plugin probe failed on an event: no');
  await manager.close();
  manager.events.add({ type: 'test.told', text: 'two' });
  side.events.add({ type: 'test.told', text: 'too late' });
  assert.is(heard, 1);
  assert.is(manager.events.all.length, 2);
});

test('references to missing pools, and plugins that do not run, are problems until that is fixed', async () => {
  const { manager, side } = await withSide();
  let leading: string | undefined = 'route a to nowhere';
  const stop = manager.recorder.watch({ storeIsAway: () => false, dangling: () => leading });
  manager.clock.advance(1000);
  manager.recorder.scopeProblems('the pool api', ['jwt does not start']);
  assert.equal(
    manager.problems.list.map(({ text }) => text),
    [
      'route a to nowhere',
      'the pool api lacks plugins that it lists, and responds with 503 without them: jwt does not start',
    ],
  );
  leading = undefined;
  manager.clock.advance(1000);
  assert.is(manager.problems.list.length, 2, 'nothing has changed that it could depend on');
  await side.operator.write([{ kind: 'pool', key: 'nowhere', op: 'add', value: {} }], 'me');
  manager.clock.advance(1000);
  manager.recorder.scopeProblems('the pool api', []);
  assert.equal(manager.problems.list, []);
  stop();
});

test('a field that is not a plain value is recorded only as changed, because it may hold credentials', async () => {
  const { manager, side } = await withSide();
  const value = { healthCheck: { headers: { authorization: 'Bearer hunter2' } } };
  await side.operator.write([{ kind: 'server', key: `api/${a}`, op: 'patch', value }], 'me');
  assert.is(manager.events.all[0]?.text, `server ${a} in pool api: healthCheck changed, by me`);
  assert.not.match(JSON.stringify(manager.events.all), /hunter2/);
});
