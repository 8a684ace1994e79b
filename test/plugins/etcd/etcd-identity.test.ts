// Whether the hosts of a config are one etcd: first by their views, then on real members that were set up separately.
import * as assert from 'uvu/assert';
import { compareHosts, type HostView } from '../../../plugins/etcd/etcd-identity.ts';
import { EtcdCluster, freePorts } from '../../cluster/etcd-cluster.ts';
import { wholeNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('the identity of etcd', { timeoutMs: 120_000 });

const three = ['a', 'b', 'c'];
const hostsOf = (names: readonly string[]) => names.map(name => `http://${name}:2379`);

function view(name: string, rest: Partial<HostView> & { of?: readonly string[] } = {}): HostView {
  const { of = three, ...given } = rest;
  return {
    host: `http://${name}:2379`,
    clusterId: '7',
    memberId: `id-${name}`,
    members: of.map(each => ({
      id: `id-${each}`,
      name: each,
      clientUrls: [`http://${each}:2379`],
      isLearner: false,
    })),
    identity: 'x',
    identityRevision: 5,
    revision: 9,
    ...given,
  };
}

function problemOf(views: readonly HostView[], hosts = hostsOf(three)): string {
  return compareHosts(views, hosts).problem ?? '';
}

function warningOf(views: readonly HostView[], hosts: readonly string[]): string {
  const { problem, warnings } = compareHosts(views, hosts);
  assert.is(problem, undefined);
  return warnings.join('\n');
}

test('members of one etcd are recognised, also when some do not answer or lag behind', () => {
  assert.equal(
    compareHosts(
      three.map(name => view(name)),
      hostsOf(three),
    ),
    { problem: undefined, warnings: [] },
  );
  assert.is(problemOf([]), '');
  assert.is(problemOf([view('b')]), '');
  assert.is(problemOf([view('a'), view('b', { identity: undefined, identityRevision: 0, revision: 4 })]), '');
});

test('hosts of several clusters, or with other members, are named', () => {
  assert.match(
    problemOf([view('a'), view('b', { clusterId: '8' })]),
    'the hosts are not members of one etcd: a:2379 knows a, b and c; b:2379 knows',
  );
  assert.match(
    problemOf([view('a', { of: ['a'] }), view('b', { of: ['b'] })]),
    'a:2379 knows only a; b:2379 knows only b',
  );
});

test('one-member clusters with the same ids are told apart by what was written to them', () => {
  const same = { of: ['default'], memberId: 'id-default' };
  const empty = { ...same, identity: undefined, identityRevision: 0, revision: 1 };
  assert.match(problemOf([view('a', same), view('b', empty)]), 'though they have the same cluster id');
  assert.match(problemOf([view('a'), view('b', { identity: 'y' })]), 'though they have the same cluster id');
  assert.match(
    problemOf([view('a'), view('b', { identity: undefined, identityRevision: 0 })]),
    'what is written at one',
  );
});

test('an etcd of which the config names twice as many members may be one of several', () => {
  assert.match(problemOf([view('a', { of: ['a'] })]), 'etcd at a:2379 has one member, and `hosts` names 3');
  assert.is(problemOf([view('a', { of: ['a', 'b'] })]), '', 'a member that is being replaced');
});

test('a set-up that works but is probably not intended causes a warning', () => {
  const all = three.map(name => view(name));
  const twice = [view('a', { of: ['a'] }), { ...view('a', { of: ['a'] }), host: 'http://127.0.0.1:2379' }];
  assert.match(
    warningOf(
      twice,
      twice.map(({ host }) => host),
    ),
    'one member of etcd twice: a:2379 and 127.0.0.1:2379 are both a',
  );
  assert.match(
    warningOf(all.slice(0, 1), hostsOf(['a'])),
    '`hosts` does not name http://b:2379 and http://c:2379',
  );
  const pair = ['a', 'b'].map(name => view(name, { of: ['a', 'b'] }));
  assert.match(
    warningOf(pair, hostsOf(['a', 'b'])),
    'etcd has 2 members, which survive no more failures than 1',
  );
  const learner = view('a');
  const members = learner.members.map(each => ({ ...each, id: '-2', isLearner: each.name === 'c' }));
  assert.match(
    warningOf([{ ...learner, members }], hostsOf(three)),
    'member c of etcd is a learner: it does not count; `etcdctl member promote fffffffffffffffe`',
  );
});

const behaviour =
  'three etcds that were set up alone, with equal ids, are detected, and no node leads by any of them';
const body = async () => {
  // As Debian's package starts them: the same name, and the same address among peers, on each machine.
  const [peerPort = 0, ...clientPorts] = await freePorts(4);
  const alone = ['--heartbeat-interval=20', '--election-timeout=200'];
  const places = clientPorts.map(clientPort => ({ address: '127.0.0.1', clientPort, peerPort }));
  const clusters: EtcdCluster[] = [];
  const hosts: string[] = [];
  for (const [index, place] of places.entries()) {
    const listen = (await freePorts(1))[0] ?? 0;
    const cluster = await EtcdCluster.start({
      places: [place],
      args: [...alone, '--listen-peer-urls', `http://127.0.0.1:${listen}`],
    });
    clusters.push(cluster);
    hosts.push(cluster.hosts[0] ?? '');
    if (index > 0) assert.is(clusterIdOf(cluster), clusterIdOf(clusters[0] ?? cluster));
  }
  const nodes = [await wholeNode('a', { hosts }), await wholeNode('b', { hosts: hosts.toReversed() })];
  try {
    for (const { node, problems, lines } of nodes) {
      await until('it was found', () => problems.has('etcd'));
      assert.match(problems.get('etcd') ?? '', 'though they have the same cluster id');
      assert.is(node.watch.standing.state, 'split etcd');
      assert.not.ok(
        lines.some(line => line.includes('"msg":"leading"')),
        'no node ever led',
      );
      await until('it is reported', () => /not members of one etcd/.test(problems.get('leader') ?? ''));
    }
  } finally {
    for (const each of [...nodes, ...clusters]) await each.close();
  }
};
testWithEtcd(test, behaviour, body);

function clusterIdOf(cluster: EtcdCluster): string {
  return JSON.parse(cluster.ctl(['endpoint', 'status', '-w', 'json']) ?? '[{}]')[0].Status.header.cluster_id;
}
