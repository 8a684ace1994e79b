// Moving etcd's leader off a machine that stops.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { EtcdClient } from '../../../plugins/etcd/client.ts';
import { moveLeaderAway } from '../../../plugins/etcd/leader-move.ts';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import { collectingLog } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite("moving etcd's leader");

const leaderKey = '/weldr/v2/leader';

const behaviour = 'another member leads if the one on this machine did; otherwise nothing happens';
const run = async () => {
  const cluster = await EtcdCluster.start({ size: 3 });
  const client = await EtcdClient.create({ hosts: cluster.hosts });
  const { log, lines } = collectingLog();
  try {
    const leader = (await cluster.leader()) ?? 0;
    await moveLeaderAway({ client, leaderKey, log, isOwn: host => host === cluster.hosts[(leader + 1) % 3] });
    assert.is(await cluster.leader(), leader);
    assert.equal(lines, []);
    // The move waits for the next leader, which could not take the leadership meanwhile.
    const isOwn = (host: string): boolean => host === cluster.hosts[leader];
    const move = moveLeaderAway({ client, leaderKey, log, isOwn });
    await sleep(100);
    assert.is(await cluster.leader(), leader);
    cluster.ctl(['put', leaderKey, 'b']);
    await move;
    // A move that takes too long is abandoned; a stop does not wait for it.
    await until("etcd's leader is another", async () => {
      await moveLeaderAway({ client, leaderKey, log, isOwn });
      const now = await cluster.leader();
      return now !== undefined && now !== leader;
    });
  } finally {
    client.close();
    await cluster.close();
  }
};
testWithEtcd(test, behaviour, run);
