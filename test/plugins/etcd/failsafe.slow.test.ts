// Failsafe over a real etcd that loses its majority, and between real nodes.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { EtcdCluster, freePorts, whyNoEtcd } from '../../cluster/etcd-cluster.ts';
import { type ElectionNode, electionNode, until } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';

const test = suite('failsafe', { timeoutMs: 120_000 });
const missing = whyNoEtcd();
const secret = 'the secret of this test';

const behaviour =
  'without a majority the leader leads by the word of all others, goes on when it is back, and ends with that word';

const body = async () => {
  const cluster = await EtcdCluster.start({ size: 3 });
  const nodes: ElectionNode[] = [];
  const loseMajority = async (signal: 'SIGSTOP' | 'SIGCONT') => {
    await cluster.signal(1, signal);
    await cluster.signal(2, signal);
  };
  const leads = (node: ElectionNode) => node.election.leadership.leading;
  try {
    const ports = await freePorts(2);
    for (const [i, name] of ['a', 'b'].entries()) {
      const options = { listen: `127.0.0.1:${ports[i]}`, secret };
      const access = { hosts: cluster.hosts };
      nodes.push(await electionNode(name, access, {}, options));
    }
    const [a, b] = nodes;
    if (a === undefined || b === undefined) throw new Error('they did not start');
    await until('one leads', () => leads(a) || leads(b));
    const [leader, other] = leads(a) ? [a, b] : [b, a];
    await until('the other is on the list', () => leader.failsafe?.state.members.length === 1);
    // A node that the leader does not know may not stand: it could not have promised.
    assert.match(cluster.ctl(['get', '/weldr/v1/failsafe-list']) ?? '', /"members":\[\{"node":"[ab]"/);

    const losses: number[] = [];
    leader.onTold = ({ leading }) => void (leading || losses.push(performance.now()));
    await loseMajority('SIGSTOP');
    await until('failsafe is active', () => leader.failsafe?.state.active === true);
    await sleep(2600);
    assert.ok(leads(leader) && leader.failsafe?.state.active, 'longer than its lease');
    assert.is(other.failsafe?.state.promisedTo, leader === a ? 'a' : 'b');
    await loseMajority('SIGCONT');
    await until('etcd confirms the leadership', () => leader.failsafe?.state.active === false);
    assert.ok(leads(leader));
    assert.equal(losses, [], 'there was no gap');

    await loseMajority('SIGSTOP');
    await until('failsafe is active again', () => leader.failsafe?.state.active === true);
    await other.failsafe?.close();
    await until('it lets go when a member does not answer', () => losses.length > 0, 4000);
    assert.not.ok(leads(leader));
    await loseMajority('SIGCONT');
    await until('one leads again', () => leads(leader) || leads(other));
  } finally {
    await loseMajority('SIGCONT');
    for (const node of nodes) await node.close();
    await cluster.close();
  }
};

if (missing === undefined) test(behaviour, body);
else test.skip(behaviour, missing, body);
