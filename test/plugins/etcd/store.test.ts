// The pool in a real etcd: shared by nodes, compared on each write, and followed.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Precondition } from '../../../core/plugin/precondition.ts';
import { type Entity, etagOf } from '../../../core/state/entity.ts';
import { etcd } from '../../../plugins/etcd/index.ts';
import { type StoreNode, server } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { rejectionOf } from '../../support/weldr-error.ts';
import { keyOf, withStores } from './store-tests.ts';

const test = suite('etcd store', { timeoutMs: 180_000 });
const withEtcd = withStores(test);

withEtcd('a server that one node adds is in the pool of the other', async (_, node) => {
  const a = await node();
  const b = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001', { weight: 3 }));
  await until('b has it', () => b.ids().length === 1);
  const entry = b.pools.get('default', 'http://127.0.0.1:9001');
  assert.is(entry?.layer, 'cluster');
  assert.is(entry?.server.weight, 3);
});

withEtcd("a removal hides the server of every node's config, and a reset brings it back", async (_, node) => {
  const config = [server('http://127.0.0.1:9001')];
  const a = await node({ config });
  const b = await node({ config });
  await a.pools.remove('default', 'http://127.0.0.1:9001');
  await until('gone at b', () => b.ids().length === 0);
  const c = await node({ config });
  assert.equal(c.ids(), [], 'a node that starts later does not resurrect it');
  await b.pools.state.reset('a test');
  await until('back at a', () => a.ids().length === 1);
  await until('back at c', () => c.ids().length === 1);
});

withEtcd('stored rows can be read without joining the cluster', async (cluster, node) => {
  const a = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001', { weight: 3 }));
  const look = etcd({ hosts: [...cluster.hosts] });
  const rows = await look.stored?.({ ...Object(look.schema?.parse(look.options)) });
  assert.equal(
    rows?.map(({ kind, key, op }) => [kind, key, op]),
    [['server', 'default/http://127.0.0.1:9001', 'define']],
  );
});

withEtcd('a run-time setting reaches the other node, and its removal too', async (_, node) => {
  const a = await node();
  const b = await node();
  const setting = { kind: 'setting', key: 'health-check' } as const;
  const row = { ...setting, op: 'patch', value: { interval: 500 }, by: 'a test', at: 0 } as const;
  const valueAt = ({ pools }: StoreNode) => pools.state.row('setting', 'health-check')?.value;
  await a.pools.state.take([row], 'a test');
  await until('b has it', () => valueAt(b) !== undefined);
  assert.equal(valueAt(b), { interval: 500 });
  await b.pools.write([{ ...setting, op: 'forget' }], 'a test');
  await until('a lost it', () => valueAt(a) === undefined);
});

withEtcd('writes by two nodes to different fields at once both hold', async (cluster, node) => {
  const a = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001'));
  const b = await node();
  await Promise.all([
    a.pools.update('default', 'http://127.0.0.1:9001', { weight: 5 }),
    b.pools.update('default', 'http://127.0.0.1:9001', { host: 'upstream' }),
  ]);
  const shown = (n: StoreNode) => n.pools.get('default', 'http://127.0.0.1:9001')?.server;
  await until('both agree', () => [a, b].every(n => shown(n)?.weight === 5 && shown(n)?.host === 'upstream'));
  assert.ok(cluster.ctl(['put', keyOf(9001), JSON.stringify({ op: 'remove', by: 'me', at: 1 })]));
  await until('the removal arrives', () => a.ids().length === 0);
});

withEtcd('writers at two nodes lose no increment when each write has a condition', async (_, node) => {
  const a = await node();
  const id = 'http://127.0.0.1:9001';
  await a.pools.add('default', server(id));
  const b = await node();
  const increments = 40;
  const count = async ({ pools }: StoreNode) => {
    for (let done = 0; done < increments; ) {
      const entity = pools.state.entity('server', `default/${id}`);
      if (entity === undefined) throw new Error('it is gone');
      const etag = etagOf(entity);
      const expect = (now: Entity | undefined) =>
        new Precondition({ ifMatch: etag }).check(now && etagOf(now));
      const value = { weight: Number(entity.value['weight']) + 1 };
      try {
        await pools.write([{ kind: 'server', key: `default/${id}`, op: 'patch', value, expect }], 'a test');
        done++;
      } catch (thrown) {
        if (!(thrown instanceof WeldrError) || thrown.code !== 'PRECONDITION_FAILED') throw thrown;
      }
    }
  };
  await Promise.all([count(a), count(b), count(b)]);
  const wanted = 1 + 3 * increments;
  const weights = () => [a, b].map(({ pools }) => pools.get('default', id)?.server.weight);
  await until(`both have ${wanted}`, () => weights().every(weight => weight === wanted)).catch(
    (thrown: unknown) => {
      throw new Error(`they have ${weights()}`, { cause: thrown });
    },
  );
});

withEtcd('of two nodes that write the same at the same time, one learns of the other', async (_, node) => {
  const a = await node();
  const b = await node();
  const mark = { by: 'a test', at: 5 };
  for (let round = 0; round < 10; round++) {
    const key = `default/http://127.0.0.1:${9001 + round}`;
    const row = { kind: 'server', key, op: 'remove', ...mark } as const;
    const batch = { ...mark, changes: [{ kind: 'server', key, row }] };
    const ends = await Promise.allSettled([a, b].map(async ({ store }) => await store.write(batch)));
    const refused = ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []));
    assert.equal(
      refused.map(({ code }) => code),
      ['CONFLICT'],
      `round ${round}`,
    );
  }
});

withEtcd('a batch is one transaction: all of it is written, or nothing', async (_, node) => {
  const a = await node();
  const b = await node();
  const seen: number[] = [];
  b.pools.observe({ defined: () => void seen.push(b.ids().length) });
  const batch = Array.from({ length: 100 }, (__, i) => {
    const url = `http://127.0.0.1:${9001 + i}`;
    return { kind: 'server', key: `default/${url}`, op: 'add', value: { url } } as const;
  });
  await a.pools.write(batch, 'a test');
  await until('b has all', () => b.ids().length === 100);
  const refused = batch.map((write, i) => ({
    ...write,
    op: 'patch' as const,
    value: { weight: i === 99 ? -1 : 2 },
  }));
  assert.is((await rejectionOf(a.pools.write(refused, 'a test'))).code, 'INPUT_INVALID');
  assert.is(a.pools.get('default', 'http://127.0.0.1:9001')?.server.weight, 1);
});

withEtcd(
  'keys of an earlier version are converted once, with their leases, and stay where they were',
  async (cluster, node) => {
    const first = (port: number) => `/weldr/v1/pools/default/http%3A%2F%2F127.0.0.1%3A${port}`;
    // As the previous version wrote them.
    const added = (port: number) =>
      `{"kind":"added","schema":1,"server":{"mapHost":false,"state":"active","url":"http://127.0.0.1:${port}","weight":4}}`;
    cluster.ctl(['put', first(9001), added(9001)]);
    cluster.ctl(['put', first(9002), '{"kind":"removed","schema":1}']);
    cluster.ctl(['put', '/weldr/v1/settings/health-check', '{"schema":1,"value":{"interval":1000}}']);
    const config = [server('http://127.0.0.1:9002')];
    const [a, b] = await Promise.all([node({ config }), node({ config })]);
    for (const { ids, pools } of [a, b]) {
      assert.equal(ids(), ['http://127.0.0.1:9001']);
      assert.is(pools.get('default', 'http://127.0.0.1:9001')?.server.weight, 4);
      assert.equal(pools.state.row('setting', 'health-check')?.value, { interval: 1000 });
    }
    await a.pools.remove('default', 'http://127.0.0.1:9001');
    const late = await node({ config });
    assert.equal(late.ids(), [], 'what is removed since then does not come back');
    assert.ok(cluster.ctl(['get', first(9001)])?.includes('added'), 'a downgrade finds it');
  },
);

withEtcd('two nodes that register the same server the same way at once both succeed', async (_, node) => {
  const a = await node();
  const b = await node();
  for (let port = 9001; port < 9021; port++) {
    const url = `http://127.0.0.1:${port}`;
    await Promise.all([a.pools.add('default', server(url)), b.pools.add('default', server(url))]);
  }
  await until('both have all', () => a.ids().length === 20 && b.ids().length === 20);
});

withEtcd('many changes arrive in order and complete', async (_, node) => {
  const a = await node();
  const b = await node();
  const urls = Array.from({ length: 1200 }, (__, i) => `http://10.0.${i >> 8}.${i & 255}:8080`);
  for (let i = 0; i < urls.length; i += 50) {
    await Promise.all(urls.slice(i, i + 50).map(url => a.pools.add('default', server(url))));
  }
  await until('b has all', () => b.ids().length === urls.length);
  const late = await node();
  assert.is(late.ids().length, urls.length, 'a snapshot has more than one page');
  const breaks = (line: string) => /lost the watch|another history/.test(line);
  assert.not.ok(a.lines.some(breaks) || b.lines.some(breaks), 'a busy etcd is not taken for a broken one');
  for (let weight = 2; weight <= 30; weight++) await a.pools.update('default', urls[0] ?? '', { weight });
  await until('b has the last', () => b.pools.get('default', urls[0] ?? '')?.server.weight === 30);
});

withEtcd('a registration with a ttl stays while it is repeated, and leaves afterwards', async (_, node) => {
  const a = await node();
  const b = await node();
  const service = server('http://127.0.0.1:9001', { ttl: '2s' });
  await a.pools.add('default', service);
  await until('b has it', () => b.ids().length === 1);
  const end = performance.now() + 5000;
  let turn = 0;
  while (performance.now() < end) {
    await (turn++ % 2 === 0 ? a : b).pools.add('default', service);
    assert.is(a.ids().length, 1);
    await sleep(500);
  }
  await until('it left both', () => a.ids().length === 0 && b.ids().length === 0, 8000);
  await a.pools.add('default', service);
  await until('it is back', () => b.ids().length === 1);
});
