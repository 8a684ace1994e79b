// Routes in a cluster: a change at one Weldr is active at the others, too.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../../core/plugin/plugin.ts';
import { lagOf } from '../../../plugins/etcd/routes.ts';
import { etcd, roundRobin, routes } from '../../../plugins/index.ts';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { seriesOf } from '../../support/series.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('routes in etcd', { timeoutMs: 120_000 });

const body = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-shared-'));
  const cluster = await EtcdCluster.start();
  const sides = new Map<string, ManagerSide>();
  const configOf = (nodeName: string) => ({
    listen: '127.0.0.1:0',
    plugins: [
      routes([{ name: 'hello', path: '/hello', reply: { status: 201 } }]),
      roundRobin(),
      etcd({ hosts: [...cluster.hosts], nodeName, localCopy: join(folder, nodeName) }),
      definePlugin({ name: 'reader', manager: side => void sides.set(nodeName, side) })(),
    ],
  });
  const status = async (port: number, path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  try {
    await withWeldr(configOf('a'), async a => {
      await withWeldr(configOf('b'), async b => {
        const [first, second] = [sides.get('a'), sides.get('b')];
        if (first === undefined || second === undefined) throw new Error('they did not start');
        const write = async (side: ManagerSide, key: string, value: object) =>
          await side.operator.write([{ kind: 'route', key, op: 'add', value }]);
        await write(first, 'new', { path: '/new', reply: { status: 202 } });
        assert.is(await status(a.port, '/new'), 202);
        await until('b has it', async () => (await status(b.port, '/new')) === 202);
        await write(second, 'hello', { reply: { status: 203 } });
        assert.is(await status(b.port, '/hello'), 203);
        await until('a has the change', async () => (await status(a.port, '/hello')) === 203);
        await second.operator.write([{ kind: 'route', key: 'new', op: 'remove' }]);
        const shown = () => Object.fromEntries(seriesOf(first.metricFamilies()));
        await until('a shows that it follows etcd', async () => shown()['etcd_up'] === 1);
        const { etcd_lag_seconds } = shown();
        assert.ok(etcd_lag_seconds !== undefined && etcd_lag_seconds < 60);
        await until('a no longer has it', async () => (await status(a.port, '/new')) === 503);
        const problemsOf = () => first.events.problems.filter(({ text }) => text.startsWith('etcd has not'));
        assert.equal(problemsOf(), []);
        await cluster.signal(0, 'SIGKILL');
        await until('a reports that etcd is away', () => problemsOf().length === 1);
        const text = problemsOf()[0]?.text ?? '';
        assert.match(text, /^etcd has not (answered|been followed) since \d\d:\d\d: \S/);
        cluster.startMember(0);
        await until('a reports that it is over', () => problemsOf().length === 0);
      });
    });
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true });
  }
};

const behaviour =
  'a route that is put, changed or removed at one node changes at both, and each reports that etcd is away';
testWithEtcd(test, behaviour, body);

test('GET /cluster reports a lag of -1 while etcd has confirmed nothing', () => {
  assert.is(lagOf(Number.POSITIVE_INFINITY), -1);
  assert.is(lagOf(-0.2), 0);
  assert.is(lagOf(1500.4), 1500);
});
