// Moving etcd's leader off a machine that stops.
import * as assert from 'uvu/assert';
import { EtcdClient } from '../../../plugins/etcd/client.ts';
import { moveLeaderAway } from '../../../plugins/etcd/leader-move.ts';
import { EtcdCluster, whyNoEtcd } from '../../cluster/etcd-cluster.ts';
import { collectingLog, until } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';

const test = suite("moving etcd's leader");
const missing = whyNoEtcd();

const behaviour = 'another member leads when the one on this machine did, and nothing is done elsewhere';
const run = async () => {
  const cluster = await EtcdCluster.start({ size: 3 });
  const client = await EtcdClient.create({ hosts: cluster.hosts });
  const { log, lines } = collectingLog();
  try {
    const leader = (await cluster.leader()) ?? 0;
    await moveLeaderAway(client, log, host => host === cluster.hosts[(leader + 1) % 3]);
    assert.is(await cluster.leader(), leader);
    assert.equal(lines, []);
    // What takes too long is given up; a stop does not wait.
    await until("etcd's leader is another", async () => {
      await moveLeaderAway(client, log, host => host === cluster.hosts[leader]);
      const now = await cluster.leader();
      return now !== undefined && now !== leader;
    });
  } finally {
    client.close();
    await cluster.close();
  }
};
if (missing === undefined) test(behaviour, run);
else test.skip(behaviour, missing, run);
