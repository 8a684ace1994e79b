// GET /overview: problems as sentences, and current and past traffic.
import * as assert from 'uvu/assert';
import type { TrafficCounts } from '../../../core/plugin/traffic.ts';
import { managerSide } from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { stats } from '../../../plugins/stats/index.ts';
import { suite } from '../../support/suite.ts';
import { type Api, addressOf, at, callsTo, withApi } from './api.ts';

const test = suite('admin-api overview');

const api = ['http://10.0.0.2:1', 'http://10.0.0.3:1'] as const;
const servers = { default: ['http://10.0.0.1:1'], api };
const overview = async ({ call }: Pick<Api, 'call'>) => (await call('GET', '/overview')).body;
const problems = async (on: Pick<Api, 'call'>) => {
  const list = at(await overview(on), 'problems');
  if (!Array.isArray(list)) throw new Error('no problems');
  return list.map(problem => [at(problem, 'severity'), at(problem, 'text')]);
};

test('without problems the status is ok', async () => {
  await withApi({ servers, status: { version: '1.2.3', readyWorkers: 2, wantedWorkers: 2 } }, async on => {
    const body = await overview(on);
    assert.equal([at(body, 'status'), at(body, 'version'), at(body, 'problems')], ['ok', '1.2.3', []]);
    assert.equal([at(body, 'workers.ready'), at(body, 'cluster'), at(body, 'traffic')], [2, null, null]);
    assert.equal([at(body, 'history'), at(body, 'pools.0.traffic')], [null, null]);
    assert.equal(
      [at(body, 'pools.1.name'), at(body, 'pools.1.servers'), at(body, 'pools.1.states.active')],
      ['api', 2, 2],
    );
  });
});

test('servers that are down are listed with the reason and since when', async () => {
  await withApi({ servers }, async on => {
    const { side } = on;
    side.clock.advance(60_000);
    side.pools.verdict('api', api[0], 'health-check', 'connect ECONNREFUSED 10.0.0.2:1');
    const since = side.clock.now();
    const time = new Date(since).toTimeString().slice(0, 5);
    assert.equal(await problems(on), [
      ['warning', `1 of 2 servers of api down: connection refused since ${time}`],
    ]);
    const body = await overview(on);
    assert.equal(
      [at(body, 'problems.0.since'), at(body, 'problems.0.servers'), at(body, 'problems.0.links.0.href')],
      [since, [api[0]], '/pools/api'],
    );
    side.pools.verdict('api', api[1], 'health-check', 'status 500');
    assert.equal(await problems(on), [
      ['error', `2 of 2 servers of api down: connection refused (1), status 500 (1) since ${time}`],
    ]);
    const { body: list } = await on.call('GET', '/overview/servers?pool=api');
    assert.equal([at(list, 'servers.0.state'), at(list, 'servers.0.since')], ['down', since]);
    assert.is((await on.call('GET', '/overview/servers?pool=nosuch')).status, 404);
  });
});

test('no server, no worker, no leader, worker deaths and reports of plugins are problems, the worst first', async () => {
  const status = { readyWorkers: 0, wantedWorkers: 2 };
  await withApi({ servers: { default: [], api, empty: [] }, status }, async on => {
    const { side, call } = on;
    for (const port of ['10.0.0.2/1', '10.0.0.3/1']) {
      await call('PATCH', `/pools/api/servers/${port}`, { state: 'draining' });
    }
    await side.hooks.leaderChanged.promise({ leading: false, leader: undefined, until: 0 });
    for (let count = 0; count < 3; count++) {
      side.events.add({ type: 'worker.died', worker: 2, text: 'it died', reason: 'signal SIGKILL' });
    }
    side.recorder.reloadFailed('listen: expected an address', 'a signal');
    assert.equal(
      (await problems(on)).sort(),
      [
        ['error', 'no node leads the cluster'],
        ['error', 'no server of api takes requests: 2 draining'],
        ['error', 'no worker can take requests'],
        ['warning', 'empty has no servers'],
        [
          'warning',
          'the last reload failed, so the previous config stays active: listen: expected an address',
        ],
        ['warning', 'worker 2 died 3 times in the last 10 minutes, and was replaced: signal SIGKILL'],
      ].sort(),
    );
    assert.is((await problems(on))[0]?.[0], 'error');
    side.recorder.reloaded('a signal');
    side.clock.advance(600_001);
    assert.is((await problems(on)).length, 4, 'what is over is not reported');
  });
});

test('a server that passes its checks and fails requests is a problem until it is drained', async () => {
  const plugins = [stats(), adminApi({ listen: '127.0.0.1:0' })];
  const side = await managerSide(plugins, { servers });
  const on = callsTo(addressOf(side));
  const counted = counts(60, 20, 13);
  const list = counted.servers.map(one => ({ ...one, connectErrors: 0, inFlight: 0 }));
  side.receive('stats', { counts: { ...counted, servers: list } }, 1);
  await side.clock.advanceAsync(2000);
  assert.equal(await problems(on), [['warning', 'http://10.0.0.2:1 of api fails 25 % of its requests']]);
  assert.equal(at(await overview(on), 'problems.0.about'), 'errors');
  await on.call('PATCH', '/pools/api/servers/10.0.0.2/1', { state: 'draining' });
  assert.equal(await problems(on), []);
  await side.close();
});

const counts = (success: number, failed: number, bucket: number, id: string = api[0]): TrafficCounts => ({
  client: { success, failed, latency: [bucket, success + failed] },
  servers: [{ pool: 'api', id, success, failed, latency: [bucket, success + failed] }],
});

test('traffic is that of the last step, for pools and servers that of the last few; history stays over a reload', async () => {
  const plugins = [stats(), adminApi({ listen: '127.0.0.1:0' })];
  const side = await managerSide(plugins, { servers });
  const on = callsTo(addressOf(side));
  // As a worker reports it.
  const report = (made: TrafficCounts): void => {
    const servers = made.servers.map(one => ({ ...one, connectErrors: 0, inFlight: 3 }));
    side.receive('stats', { counts: { ...made, servers } }, 1);
  };
  assert.is(at(await overview(on), 'traffic.rate'), 0, 'the first step is not over');
  report(counts(90, 10, 13));
  await side.clock.advanceAsync(2000);
  report(counts(40, 0, 40, api[1]));
  await side.clock.advanceAsync(2000);
  const body = await overview(on);
  assert.equal([at(body, 'traffic.rate'), at(body, 'traffic.errorShare')], [20, 0]);
  assert.equal(at(body, 'history.rate'), [50, 20]);
  assert.equal(at(body, 'history.errorShare'), [0.1, 0]);
  assert.ok(Number(at(body, 'traffic.p99')) > 50 && Number(at(body, 'history.p50.0')) < 2);
  assert.equal(
    [
      at(body, 'pools.1.traffic.rate'),
      at(body, 'pools.1.traffic.errorShare'),
      at(body, 'pools.1.traffic.inFlight'),
    ],
    [35, 0.0714, 6],
  );
  assert.equal(at(body, 'pools.0.traffic.rate'), 0);
  const { body: list } = await on.call('GET', '/overview/servers?pool=api');
  assert.equal([at(list, 'servers.0.traffic.rate'), at(list, 'servers.1.traffic.rate')], [25, 10]);
  await side.close();
  const next = await managerSide(plugins, { previous: side, servers });
  const after = await overview(callsTo(addressOf(next)));
  assert.equal(at(after, 'history.rate'), [50, 20]);
  await next.clock.advanceAsync(20_000);
  const later = await overview(callsTo(addressOf(next)));
  assert.equal([at(later, 'traffic.rate'), at(later, 'pools.1.traffic.rate')], [0, 0]);
  await next.clock.advanceAsync(15 * 60_000);
  const last = await overview(callsTo(addressOf(next)));
  const points = at(last, 'history.at');
  assert.is(Array.isArray(points) && points.length, 450);
  await next.close();
});
