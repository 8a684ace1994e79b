// GET /plugins: the plugins in their order, with the time they take and where they fail.
import * as assert from 'uvu/assert';
import { definePlugin, withId } from '../../../core/plugin/define-plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { managerSide, workerSide } from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { metrics } from '../../../plugins/metrics/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { routes } from '../../../plugins/routes/index.ts';
import { suite } from '../../support/suite.ts';
import { at } from './api.ts';

const test = suite('admin-api plugins');

const servers = { default: ['http://10.0.0.1:1'], api: ['http://10.0.0.2:1'] };

/** Fails requests for /bad. */
const picky = definePlugin({
  name: 'picky',
  worker({ hooks }) {
    hooks.preProxy.tap('picky', ctx => {
      if (ctx.request.target === '/bad') throw new Error('no');
      return undefined;
    });
  },
});

test('plugins are listed by scope in their order, with their time in each stage and where they failed', async () => {
  const plugins = [
    metrics({ stages: 1 }),
    routes([{ name: 'api', path: '/api/*', pool: 'api', plugins: [withId('inner', picky())] }]),
    when({ path: '/some/*' }, withId('some', picky())),
    roundRobin(),
    picky(),
    adminApi({ listen: '127.0.0.1:0' }),
  ];
  const manager = await managerSide(plugins, { servers });
  const worker = await workerSide(plugins, { manager });
  for (const target of ['/', '/bad', '/api/x']) await worker.run({ target });
  await manager.clock.advanceAsync(2_000);
  const { body } = await manager.admin('GET', '/plugins');
  const list = at(body, 'plugins') as Record<string, unknown>[];
  assert.equal(
    list.map(({ plugin, id, scope, route, role, when: some }) =>
      [plugin, id, scope, route, role, some].filter(part => part !== undefined).join(' '),
    ),
    [
      'metrics config',
      'routes config',
      'picky some config true',
      'round-robin config balancer',
      'picky config',
      'admin-api config',
      'picky inner route api',
    ],
  );
  const outer = list.find(({ instance }) => instance === 'picky');
  assert.equal(outer?.['failures'], { preProxy: 1 });
  assert.is(at(outer, 'stages.0.stage'), 'preProxy');
  assert.is(at(outer, 'stages.0.measured'), 3);
  assert.type(at(outer, 'stages.0.mean'), 'number');
  assert.equal(
    (at(list[0], 'stages') as { stage: string }[]).map(({ stage }) => stage),
    ['attemptFinished', 'finished'],
  );
  assert.is(at(body, 'measured'), true);
  await worker.close();
  await manager.close();
});
