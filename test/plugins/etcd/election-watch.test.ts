// Why no node leads, reported by each node with what helps; and what is repaired automatically.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { EtcdAccess } from '../../../plugins/etcd/client.ts';
import { electionNode, type WholeNode, wholeNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { quickElections, withCluster } from './etcd-tests.ts';

const test = suite('the watch of the election', { timeoutMs: 300_000, testTimeoutMs: 90_000 });
const leader = '/weldr/v1/leader';

const withEtcd = withCluster(
  test,
  (access: EtcdAccess, name: string, options?: Parameters<typeof wholeNode>[2]) =>
    wholeNode(name, access, options),
  // etcd grants leases of a second then.
  { size: 1, args: quickElections },
);

const leads = ({ node }: WholeNode) => node.election.leadership.leading;
const saidBy = ({ lines }: WholeNode) =>
  lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'no node leads the cluster');

withEtcd(
  'nodes that are not fit report once why they and the others are not, and when that is over',
  async (_, start) => {
    const a = await start('a', { candidate: false });
    const b = await start('b');
    await until('b leads', () => leads(b));
    await until('a follows', () => a.node.watch.standing.state === 'following');
    b.readyWorkers = 0;
    await until('both report it', () => a.problems.has('leader') && b.problems.has('leader'), 20_000);
    assert.match(
      a.problems.get('leader') ?? '',
      /this node is not fit: it is not a candidate; b: no worker accepts/,
    );
    assert.match(
      b.problems.get('leader') ?? '',
      /not fit: no worker accepts connections; a: it is not a candidate/,
    );
    assert.is(b.node.watch.standing.state, 'unfit');
    await sleep(2500);
    const reasons = saidBy(b).map(({ level, reason }) => [level, reason]);
    assert.is(new Set(reasons.map(String)).size, reasons.length, 'no reason is logged twice');
    assert.ok(reasons.length >= 1 && reasons.every(([level]) => level === 50));
    b.readyWorkers = 1;
    await until('it is over', () => !a.problems.has('leader') && !b.problems.has('leader'));
    assert.ok(a.lines.some(line => /"msg":"b leads, after \d+ s without a leader"/.test(line)));
  },
);

withEtcd(
  'a majority that does not answer is named, member by member',
  async (cluster, start) => {
    const a = await start('a');
    await until('a leads', () => leads(a));
    await cluster.signal(1, 'SIGKILL');
    await cluster.signal(2, 'SIGKILL');
    await until('it is reported', () => /no majority/.test(a.problems.get('leader') ?? ''), 20_000);
    const [, one = '', other = ''] = cluster.hosts.map(host => host.replace('http://', ''));
    assert.match(
      a.problems.get('leader') ?? '',
      `etcd has no majority: ${[one, other].sort().join(' and ')} do not answer (connection refused)`,
    );
    assert.is(a.node.watch.standing.state, 'no etcd');
    cluster.startMember(1);
    await until('a leads again', () => leads(a) && !a.problems.has('leader'), 20_000);
  },
  { size: 3 },
);

withEtcd(
  'an etcd out of space refuses a leader, reports what helps, and has one as soon as its alarm is disarmed',
  async (cluster, start) => {
    const a = await start('a');
    await until('a leads', () => leads(a));
    const b = await start('b');
    await until('b follows', () => b.node.watch.standing.state === 'following' && !b.node.store.stale);
    const big = join(tmpdir(), 'big');
    writeFileSync(big, 'x'.repeat(1_400_000));
    for (let i = 0; i < 20 && !/NOSPACE/.test(cluster.ctl(['alarm', 'list']) ?? ''); i++)
      await cluster.put('big', big);
    assert.match(cluster.ctl(['alarm', 'list']) ?? '', /NOSPACE/);

    await until('it is reported while all else is well', () => a.problems.has('etcd-alarm'), 15_000);
    assert.match(a.problems.get('etcd-alarm') ?? '', /out of space .*alarm disarm/);
    assert.ok(leads(a), 'the leader continues');

    const server = { kind: 'server', key: 'default http://127.0.0.1:1', row: undefined } as const;
    const row = { ...server, op: 'define', value: { url: 'http://127.0.0.1:1' }, by: 'test', at: 0 } as const;
    const write = b.node.store.write({ by: 'test', at: 0, changes: [{ ...server, row }] });
    await write.then(
      () => assert.unreachable('etcd has no space for it'),
      thrown => assert.match(String(thrown), /nothing was changed: etcd is out of space .*alarm disarm/),
    );

    const began = performance.now();
    await a.close();
    assert.ok(performance.now() - began < 4000, 'a stop does not hang');
    await until(
      'b reports it',
      () => /out of space .*alarm disarm/.test(b.problems.get('leader') ?? ''),
      15_000,
    );
    cluster.ctl(['del', 'big']);
    const revision = JSON.parse(cluster.ctl(['endpoint', 'status', '-w', 'json']) ?? '')[0].Status.header
      .revision;
    cluster.ctl(['compact', String(revision)]);
    cluster.ctl(['defrag']);
    assert.not.ok(leads(b));
    cluster.ctl(['alarm', 'disarm']);
    await until('b leads', () => leads(b), 10_000);
    await until('it is over', () => !b.problems.has('etcd-alarm'), 10_000);
  },
  { args: [...quickElections, '--quota-backend-bytes=8000000'] },
);

withEtcd(
  'a leadership without a lease is reported and removed, and the next leader waits its full time',
  async (cluster, start) => {
    cluster.ctl(['put', leader, '{"schema":1,"node":"ghost","since":1}']);
    const a = await start('a', { times: { lease: 1000, holdOff: 100 } });
    await until('it is found', () => /has no lease/.test(a.node.watch.standing.reason ?? ''));
    assert.is(a.node.watch.leader, undefined);
    let taken = 0;
    await until('it is removed', () => a.lines.some(line => /removed the leadership/.test(line)));
    taken = performance.now();
    await until('a leads', () => leads(a));
    assert.ok(performance.now() - taken > 900, 'the time of a leader that was overwritten would be over');
  },
);

withEtcd(
  'a leadership that is overwritten deposes the leader, and is repaired; so is last-leader',
  async (cluster, start) => {
    const a = await start('a', { times: { lease: 1000, holdOff: 100 } });
    await until('a leads', () => leads(a));
    cluster.ctl(['put', leader, 'nonsense']);
    cluster.ctl(['put', '/weldr/v1/last-leader', 'nonsense']);
    await until('a does not', () => !leads(a));
    await until('a leads again', () => leads(a), 15_000);
    assert.ok(a.lines.some(line => /removed the leadership/.test(line)));
    cluster.ctl(['put', '/weldr/v1/last-leader', 'nonsense']);
    cluster.ctl(['del', leader]);
    await until('it was named', () => a.lines.some(line => /last-leader.*written again/.test(line)));
    await until('a leads', () => leads(a));
  },
);

withEtcd('a leadership whose lease still lives is left alone', async (cluster, start) => {
  const other = await electionNode('other', { hosts: cluster.hosts });
  try {
    await until('other leads', () => other.election.leadership.leading);
    const a = await start('a', { times: { lease: 1000, holdOff: 0 } });
    await sleep(3000);
    assert.is(a.node.watch.leader, 'other');
    assert.is(a.node.watch.standing.state, 'following');
  } finally {
    await other.close();
  }
});

withEtcd(
  'renewals that take too long for what is held are reported, with a lease that is long enough',
  async (_, start) => {
    const a = await start('a', { times: { lease: 1000, renew: 100, holdOff: 100 }, need: 1238 });
    await until('it is reported', () => a.problems.has('round-trip'));
    assert.match(
      a.problems.get('round-trip') ?? '',
      /a lease of 1 s leaves 0 ms: the address cannot be held; set lease: '2s'/,
    );
  },
);

withEtcd('every node knows which holds the address, and which are in step', async (_, start) => {
  const a = await start('a');
  await until('a leads', () => leads(a));
  const b = await start('b');
  a.addresses.push({ address: '10.0.0.100/24', held: true });
  const { describeCluster } = await import('../../../plugins/etcd/routes.ts');
  const seen = async ({ node }: WholeNode) => await describeCluster(node);
  await until('b knows', async () => (await seen(b)).address?.by === 'a', 15_000);
  await until('it was measured', async () => (await seen(b)).etcd.roundTripMs !== null);
  const { election, members } = await seen(b);
  assert.is(election.state, 'following');
  assert.ok(members.length === 2 && members.every(({ inStep }) => inStep === true));
  assert.equal((await seen(a)).address, { held: true, by: 'a' });
  a.addresses[0] = { address: '10.0.0.100/24', held: false, reason: 'renewing took too long' };
  await until(
    'b knows why not',
    async () => (await seen(b)).address?.reason === 'renewing took too long',
    15_000,
  );
});
