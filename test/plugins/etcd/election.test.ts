// The leader of the cluster, elected over a real etcd.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { EtcdAccess } from '../../../plugins/etcd/client.ts';
import type { ElectionTimes } from '../../../plugins/etcd/election-times.ts';
import { surrender } from '../../../plugins/floating-ip/surrender.ts';
import { type ElectionNode, electionNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { withCluster } from './etcd-tests.ts';

const test = suite('election', { timeoutMs: 180_000 });
const withEtcd = withCluster(
  test,
  (access: EtcdAccess, name: string, times?: Partial<ElectionTimes>) => electionNode(name, access, times),
  { size: 1 },
);

const leads = (node: ElectionNode) => node.election.leadership.leading;

withEtcd('one of three nodes leads, and all know which one', async (_, node) => {
  const nodes = [await node('a'), await node('b'), await node('c')];
  await until('a leader', () => nodes.some(leads));
  await sleep(1000);
  assert.is(nodes.filter(leads).length, 1);
  const names = new Set(nodes.map(n => n.election.leadership.leader));
  assert.is(names.size, 1);
});

withEtcd('a leader that resigns is followed at once, without a hold-off', async (_, node) => {
  const a = await node('a');
  await until('a leads', () => leads(a));
  const b = await node('b', { holdOff: 5000 });
  await until('b knows', () => b.election.leadership.leader === 'a');
  const began = performance.now();
  await a.close();
  await until('b leads', () => leads(b), 3000);
  assert.ok(performance.now() - began < 3000);
});

withEtcd(
  'a surrendered leadership is followed without a hold-off, and surrendering one that is over changes nothing',
  async (_, node) => {
    const a = await node('a');
    await until('a leads', () => leads(a));
    const b = await node('b', { holdOff: 5000 });
    await until('b knows', () => b.election.leadership.leader === 'a');
    const first = a.election.leadership.surrender;
    assert.ok(first !== undefined);
    a.election.retire();
    assert.is(await surrender(first), undefined);
    await until('b leads', () => leads(b), 3000);
    assert.is(await surrender(first), undefined, 'a second surrender changes nothing');
    await sleep(500);
    assert.ok(leads(b));
  },
);

withEtcd(
  'a leader that hands over keeps leading, and renewing, until what it holds is no longer used',
  async (_, node) => {
    const a = await node('a');
    await until('a leads', () => leads(a));
    const renewed: boolean[] = [];
    a.onHandingOver = async () => {
      const { until: first } = a.election.leadership;
      await until('a renewal', () => a.notices.some(({ until }) => until > first), 900);
      renewed.push(leads(a));
    };
    await a.election.handOver('a test');
    assert.equal(renewed, [true]);
    assert.not.ok(leads(a));
    await until('a leads again', () => leads(a));
    a.unfit = 'it has no link';
    await until('it has let go', () => !leads(a));
    assert.is(renewed.length, 1, 'one that is not fit does not wait');
  },
);

withEtcd('a leader lets go of what it holds before it gives up the key', async (_, node) => {
  const a = await node('a');
  const b = await node('b');
  await until('one leads', () => leads(a) || leads(b));
  const [leader, other] = leads(a) ? [a, b] : [b, a];
  let letGo = false;
  leader.onNotice = async ({ leading }) => {
    if (leading) return;
    await sleep(300);
    letGo = true;
  };
  other.onNotice = ({ leading }) => {
    if (leading) assert.ok(letGo, 'the next one leads only after the previous one has let go');
  };
  await leader.close();
  await until('the other leads', () => leads(other));
});

withEtcd('a leader that becomes unfit hands over', async (_, node) => {
  const a = await node('a');
  await until('a leads', () => leads(a));
  const b = await node('b');
  await until('b knows', () => b.election.leadership.leader === 'a');
  a.unfit = 'no worker accepts connections';
  await until('b leads', () => leads(b), 2000);
  assert.not.ok(leads(a));
  a.unfit = undefined;
  await sleep(1500);
  assert.ok(leads(b), 'it keeps the leadership when the first is fit again');
});

withEtcd('an unfit node is not elected', async (_, node) => {
  const a = await node('a');
  await until('a leads', () => leads(a));
  const b = await node('b');
  b.unfit = 'no worker accepts connections';
  await a.close();
  await sleep(1500);
  assert.not.ok(leads(b));
});

withEtcd(
  'a leadership ends in time when etcd falls silent, and continues when etcd answers',
  async (cluster, node) => {
    const a = await node('a');
    await until('a leads', () => leads(a));
    await cluster.signal(0, 'SIGSTOP');
    const { until: end } = a.election.leadership;
    await until('a does not lead', () => !leads(a), 4000);
    assert.ok(performance.now() >= end - 50 && performance.now() < end + 1000, 'not long after its end');
    await cluster.signal(0, 'SIGCONT');
    await until('a leads again', () => leads(a));
  },
);

withEtcd('a leader whose key is deleted stops at once', async (cluster, node) => {
  const a = await node('a');
  await until('a leads', () => leads(a));
  const losses: number[] = [];
  a.onNotice = ({ leading }) => void (leading || losses.push(performance.now()));
  const began = performance.now();
  cluster.ctl(['del', '/weldr/v1/leader']);
  await until('the loss is reported', () => losses.length > 0, 2000);
  assert.ok((losses[0] ?? 0) - began < 1500);
  await until('it is elected again', () => leads(a));
});

withEtcd(
  'after the key was deleted by hand, the next leader waits until the previous one is certainly out',
  async (cluster, node) => {
    const a = await node('a', { lease: 1000 });
    await until('a leads', () => leads(a));
    const b = await node('b', { holdOff: 0 });
    await until('b knows', () => b.election.leadership.leader === 'a');
    const { until: end } = a.election.leadership;
    // It can neither renew nor learn of the deletion.
    a.client.close();
    cluster.ctl(['del', '/weldr/v1/leader']);
    await until('b leads', () => leads(b), 8000);
    assert.ok(performance.now() > end, 'the first is out by then');
  },
);

withEtcd(
  'after a leader fell silent, the next one waits for the longer hold-off of both configs',
  async (_, node) => {
    const a = await node('a', { holdOff: 1500 });
    await until('a leads', () => leads(a));
    const b = await node('b', { holdOff: 0 });
    await until('b knows', () => b.election.leadership.leader === 'a');
    let elected = 0;
    let led = 0;
    b.onNotice = ({ leading, leader }) => {
      if (leader === 'b' && elected === 0) elected = performance.now();
      if (leading && led === 0) led = performance.now();
    };
    // Its client ends, so that it can neither renew nor resign.
    const { until: end } = a.election.leadership;
    a.client.close();
    await until('b leads', () => leads(b), 8000);
    assert.ok(led - elected >= 1490, `waited ${Math.round(led - elected)} ms`);
    assert.ok(led > end, 'the first is out by then');
  },
);

withEtcd(
  "the death of etcd's leader costs no leadership",
  async (cluster, node) => {
    const a = await node('a', { lease: 5000, renew: 250 });
    await until('a leads', () => leads(a));
    const before = a.notices.length;
    const leader = await cluster.leader();
    await cluster.signal(leader ?? 0, 'SIGKILL');
    await sleep(4000);
    assert.ok(a.notices.slice(before).every(({ leading }) => leading));
    assert.ok(leads(a));
  },
  { size: 3 },
);

withEtcd(
  'a member that hangs costs a renewal, not the leadership',
  async (cluster, node) => {
    const a = await node('a');
    await until('a leads', () => leads(a));
    const before = a.notices.length;
    const leader = (await cluster.leader()) ?? 0;
    await cluster.signal((leader + 1) % 3, 'SIGSTOP');
    await sleep(2500);
    await cluster.signal((leader + 1) % 3, 'SIGCONT');
    await cluster.signal((leader + 2) % 3, 'SIGSTOP');
    await sleep(2500);
    assert.ok(a.notices.slice(before).every(({ leading }) => leading));
    const ends = a.notices.slice(before).map(({ until: end }) => end);
    assert.ok(
      Math.max(...ends.slice(1).map((end, i) => end - (ends[i] ?? end))) < 900,
      'no long gap in the renewals',
    );
  },
  { size: 3 },
);

withEtcd(
  'a watch at a member that freezes moves to another before a lease ends',
  async cluster => {
    const frozen = ((await cluster.leader()) ?? 0) === 0 ? 1 : 0;
    const others = cluster.hosts.filter((_, index) => index !== frozen);
    const node = await electionNode('a', { hosts: [cluster.hosts[frozen] ?? '', ...others] });
    try {
      node.unfit = 'it only follows';
      const put = (name: string) =>
        cluster.ctl(['put', '/weldr/v1/leader', JSON.stringify({ node: name, since: 1 })], 2);
      put('x');
      await until('it follows', () => node.election.leadership.leader === 'x');
      await cluster.signal(frozen, 'SIGSTOP');
      put('y');
      await until('it hears from another member', () => node.election.leadership.leader === 'y', 2000);
    } finally {
      await node.close();
    }
  },
  { size: 3 },
);
