// The list of nodes that may stand, on a real etcd. failsafe.slow.test.ts shows how a leader outlives etcd's majority.
import * as assert from 'uvu/assert';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import { electionNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('the list of failsafe');

const listed =
  'a node that is not on the list does not stand, and one without failsafe empties it when it leads';
const bodyOfList = async () => {
  const cluster = await EtcdCluster.start();
  const list = '/weldr/v1/failsafe-list';
  const members = [{ node: 'b', address: '127.0.0.1:1' }];
  cluster.ctl(['put', list, JSON.stringify({ schema: 1, leader: 'a', members })]);
  const node = await electionNode('c', { hosts: cluster.hosts });
  try {
    await until('it is logged', () => node.lines.some(line => /not standing/.test(line)));
    assert.not.ok(node.election.leadership.leading);
    cluster.ctl(['put', list, JSON.stringify({ schema: 1, leader: 'a', members: [] })]);
    await until('it leads', () => node.election.leadership.leading);
    assert.is(cluster.ctl(['get', list]), '');
  } finally {
    await node.close();
    await cluster.close();
  }
};
testWithEtcd(test, listed, bodyOfList);
