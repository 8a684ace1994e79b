// The keys in which a node shows itself, on a real etcd, when somebody deletes them.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { EtcdCluster, freePorts } from '../../cluster/etcd-cluster.ts';
import { electionNode, wholeNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('keys of a node that somebody deleted', { timeoutMs: 60_000 });

/** What a node keeps in etcd while it runs. */
const keys = {
  'the report': '/weldr/v1/nodes/a',
  'the candidacy': '/weldr/v1/board/candidates/a',
  'the address for failsafe': '/weldr/v1/failsafe-nodes/b',
};

testWithEtcd(test, 'are written again after the next renewal, and end with the node', async () => {
  const cluster = await EtcdCluster.start();
  const access = { hosts: cluster.hosts };
  const [port] = await freePorts(1);
  const nodes = [
    await wholeNode('a', access),
    await electionNode('b', access, {}, { listen: `127.0.0.1:${port}`, secret: 'the secret of this test' }),
  ];
  const isThere = (key: string) => cluster.ctl(['get', '--print-value-only', key])?.startsWith('{') === true;
  let left: string[] = [];
  try {
    for (const [what, key] of Object.entries(keys)) await until(`${what} is there`, () => isThere(key));
    // By then the nodes have nothing new to write.
    await sleep(5000);
    for (const [what, key] of Object.entries(keys))
      assert.is(cluster.ctl(['del', key])?.trim(), '1', `${what} was there`);
    for (const [what, key] of Object.entries(keys))
      await until(`${what} is there again`, () => isThere(key), 5000);
  } finally {
    for (const node of nodes) await node.close();
    left = Object.values(keys).filter(isThere);
    await cluster.close();
  }
  assert.equal(left, [], 'they end with the nodes');
});
