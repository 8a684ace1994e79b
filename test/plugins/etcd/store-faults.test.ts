// The pool while etcd misbehaves: away, compacted, restored, or with unusable keys.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { server } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { rejectionOf } from '../../support/weldr-error.ts';
import { keyOf, withStores } from './store-tests.ts';

const test = suite('etcd store while etcd misbehaves', { timeoutMs: 180_000 });
const withEtcd = withStores(test);

withEtcd(
  'while etcd is away, reads continue and writes are refused in time; nothing flaps on its return',
  async (cluster, node) => {
    const a = await node();
    await a.pools.add('default', server('http://127.0.0.1:9001'));
    const changes: string[] = [];
    a.pools.observe({ changes: list => changes.push(...list.map(change => change.op)) });
    await cluster.signal(0, 'SIGSTOP');
    const began = performance.now();
    const first = await rejectionOf(a.pools.add('default', server('http://127.0.0.1:9002')));
    assert.is(first.code, 'STORE_UNAVAILABLE');
    assert.ok(performance.now() - began < 4000, 'the refusal is bounded');
    await until('known to be stale', () => a.store.stale);
    const second = await rejectionOf(a.pools.add('default', server('http://127.0.0.1:9003')));
    assert.match(second.message, 'etcd is away, nothing was changed');
    assert.equal(a.ids(), ['http://127.0.0.1:9001']);
    await cluster.signal(0, 'SIGCONT');
    await until('back', () => !a.store.stale);
    await a.pools.add('default', server('http://127.0.0.1:9004'));
    assert.not.ok(changes.includes('delete'), 'no server was dropped on the way');
  },
);

withEtcd(
  'a registration whose first answer was lost keeps the lease that it was written with',
  async (cluster, node) => {
    const a = await node();
    const [member] = a.client.inOrder();
    if (member === undefined) throw new Error('there is no member');
    const { kv } = member.etcd;
    const txn = kv.txn.bind(kv);
    let isLost = false;
    kv.txn = async (...args) => {
      const answer = await txn(...args);
      if (isLost) return answer;
      isLost = true;
      throw new Error('etcdserver: request timed out');
    };
    await a.pools.add('default', server('http://127.0.0.1:9001', { ttl: '5s' }));
    assert.ok(isLost);
    await sleep(500);
    assert.ok(cluster.ctl(['get', '--print-value-only', keyOf(9001)])?.includes('9001'), 'etcd still has it');
    assert.equal(a.ids(), ['http://127.0.0.1:9001']);
  },
);

withEtcd('changes by others while the watch was cut arrive afterwards', async (cluster, node) => {
  const a = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001'));
  await a.pools.add('default', server('http://127.0.0.1:9002'));
  await cluster.signal(0, 'SIGKILL');
  await until('stale', () => a.store.stale);
  cluster.startMember(0);
  await cluster.ready();
  cluster.ctl(['del', keyOf(9002)]);
  await until('caught up', () => a.ids().length === 1);
  assert.equal(a.ids(), ['http://127.0.0.1:9001']);
});

// `ctl` blocks this process: its change is in etcd, but has not reached this node yet.
withEtcd('a write that changes nothing, as far as this node knows, asks etcd', async (cluster, node) => {
  const a = await node();
  const url = 'http://127.0.0.1:9001';
  await a.pools.add('default', server(url));
  await a.pools.add('default', server('http://127.0.0.1:9002'));
  cluster.ctl(['del', keyOf(9001)]);
  await a.pools.add('default', server(url));
  assert.ok(
    cluster.ctl(['get', '--print-value-only', keyOf(9001)])?.includes(url),
    'it is as it was acknowledged',
  );
  assert.equal(a.ids(), [url, 'http://127.0.0.1:9002']);

  cluster.ctl(['del', keyOf(9002)]);
  const patch = {
    kind: 'server',
    key: 'default/http://127.0.0.1:9002',
    op: 'patch',
    value: { weight: 1 },
  } as const;
  const thrown = await rejectionOf(a.pools.write([patch], 'test'));
  assert.is(thrown.code, 'NOT_FOUND');
});

withEtcd('a refusal based on what this node knows asks etcd as well', async (cluster, node) => {
  const a = await node();
  const key = keyOf(9001);
  await a.pools.add('default', server('http://127.0.0.1:9001'));
  const value = cluster.ctl(['get', '--print-value-only', key])?.trim() ?? '';
  await a.pools.write([{ kind: 'server', key: 'default/http://127.0.0.1:9001', op: 'remove' }], 'test');
  cluster.ctl(['put', key, value]);
  await a.pools.write(
    [{ kind: 'server', key: 'default/http://127.0.0.1:9001', op: 'patch', value: { weight: 7 } }],
    'test',
  );
  assert.is(a.pools.get('default', 'http://127.0.0.1:9001')?.server.weight, 7);
});

withEtcd(
  'compacted history is replaced by a snapshot, of which only differences are reported',
  async (cluster, node) => {
    const a = await node();
    await a.pools.add('default', server('http://127.0.0.1:9001'));
    await a.pools.add('default', server('http://127.0.0.1:9002'));
    await cluster.signal(0, 'SIGSTOP');
    await until('stale', () => a.store.stale);
    const changes: unknown[] = [];
    a.pools.observe({ changes: list => changes.push(...list) });
    // The watch of the node is cut by the restart, and the history is compacted before it comes back.
    await cluster.signal(0, 'SIGCONT');
    await cluster.signal(0, 'SIGKILL');
    cluster.startMember(0);
    const compact = async () => {
      cluster.ctl(['del', keyOf(9002)]);
      const status = JSON.parse(cluster.ctl(['endpoint', 'status', '-w', 'json']) ?? '[]');
      return cluster.ctl(['compact', String(status[0]?.Status.header.revision)]) !== undefined;
    };
    await until('compacted', compact);
    await until('caught up', () => a.ids().length === 1 && !a.store.stale);
    assert.equal(
      changes.filter(change => JSON.stringify(change).includes('9001')),
      [],
      'the server that did not change was left alone',
    );
  },
);

withEtcd('a node that starts while etcd is away begins with its local copy', async (cluster, node) => {
  const a = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001'));
  await until(
    'the copy is written',
    () => existsSync(a.copyPath) && readFileSync(a.copyPath, 'utf8').includes('9001'),
  );
  await cluster.signal(0, 'SIGKILL');
  const b = await node({ copyPath: a.copyPath });
  assert.equal(b.ids(), ['http://127.0.0.1:9001']);
  assert.ok(b.store.stale);
  assert.ok(b.lines.some(line => line.includes('starting from the local copy')));
  cluster.startMember(0);
  await until('fresh', () => !b.store.stale);
  await b.pools.add('default', server('http://127.0.0.1:9002'));
});

withEtcd('a damaged local copy is set aside', async (cluster, node) => {
  const a = await node();
  await a.pools.add('default', server('http://127.0.0.1:9001'));
  await until('the copy is written', () => existsSync(a.copyPath));
  writeFileSync(a.copyPath, '{"schema":1,"clust');
  await cluster.signal(0, 'SIGKILL');
  const b = await node({ copyPath: a.copyPath, config: [server('http://127.0.0.1:9009')] });
  assert.equal(b.ids(), ['http://127.0.0.1:9009']);
  assert.ok(existsSync(`${a.copyPath}.damaged`));
});

withEtcd(
  'an etcd restored from an older backup is accepted as it is, with a log line',
  async (cluster, node) => {
    const a = await node();
    await a.pools.add('default', server('http://127.0.0.1:9001'));
    const backup = `${cluster.directory}/backup`;
    assert.ok(cluster.ctl(['snapshot', 'save', backup]));
    await a.pools.add('default', server('http://127.0.0.1:9002'));
    await a.pools.update('default', 'http://127.0.0.1:9001', { weight: 9 });
    await cluster.signal(0, 'SIGKILL');
    await cluster.restore(0, backup);
    await until('the restored pool', () => a.ids().length === 1 && !a.store.stale);
    assert.is(a.pools.get('default', 'http://127.0.0.1:9001')?.server.weight, 1);
    assert.ok(
      a.lines.some(line => /restored from a backup|another etcd cluster/.test(line)),
      'it is logged',
    );
    await a.pools.add('default', server('http://127.0.0.1:9003'));
  },
);

withEtcd(
  'a restored etcd is noticed also when it has grown past what this node saw',
  async (cluster, node) => {
    const a = await node();
    await a.pools.add('default', server('http://127.0.0.1:9001'));
    const backup = `${cluster.directory}/backup`;
    assert.ok(cluster.ctl(['snapshot', 'save', backup]));
    await a.pools.add('default', server('http://127.0.0.1:9002'));
    await cluster.signal(0, 'SIGSTOP');
    await cluster.signal(0, 'SIGKILL');
    await cluster.restore(0, backup);
    for (let i = 0; i < 20; i++) cluster.ctl(['put', '/other/key', String(i)]);
    await until('the restored pool', () => a.ids().length === 1 && !a.store.stale);
  },
);

withEtcd(
  'foreign and damaged keys are logged and left alone, and valid ones are used',
  async (cluster, node) => {
    const define = (port: number) =>
      JSON.stringify({ op: 'define', value: { url: `http://127.0.0.1:${port}` }, by: 'me', at: 1 });
    cluster.ctl(['put', keyOf(9001), define(9001)]);
    cluster.ctl(['put', keyOf(9003), '{"op":"def']);
    cluster.ctl(['put', keyOf(9004), '{"op":"something new","by":"me","at":1}']);
    cluster.ctl(['put', '/weldr/v2/server', 'else']);
    cluster.ctl(['put', '/weldr/v2/something', 'else']);
    cluster.ctl(['put', '/weldr/v2/%E0%A4%A/x', define(9001)]);
    cluster.ctl(['put', '/weldr/v2/setting/a/b', define(9001)]);
    const a = await node();
    assert.equal(a.ids(), ['http://127.0.0.1:9001']);
    assert.is(a.store.damaged.length, 6);
    assert.is(a.lines.filter(line => line.includes('ignoring a key of etcd')).length, 6);
    cluster.ctl(['put', keyOf(9001), 'not json']);
    await until('a server whose key got damaged leaves', () => a.ids().length === 0);
    await a.pools.add('default', server('http://127.0.0.1:9005'));
    assert.equal(a.ids(), ['http://127.0.0.1:9005']);
  },
);

withEtcd('a row whose server is not that of its key has no effect', async (cluster, node) => {
  const value = { url: 'http://127.0.0.1:9001' };
  cluster.ctl(['put', keyOf(9002), JSON.stringify({ op: 'define', value, by: 'me', at: 1 })]);
  const a = await node();
  assert.equal(a.ids(), []);
});
