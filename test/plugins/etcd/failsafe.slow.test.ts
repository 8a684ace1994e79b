// Failsafe over a real etcd that loses its majority, and between real nodes.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Leadership } from '../../../core/plugin/manager-hooks.ts';
import { EtcdCluster, freePorts } from '../../cluster/etcd-cluster.ts';
import { type ElectionNode, electionNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('failsafe', { timeoutMs: 120_000 });
const secret = 'the secret of this test';

const behaviour =
  'without a majority the leader leads by the promises of all others, and after it by etcd; without one promise it ends';

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
    leader.onNotice = ({ leading }) => void (leading || losses.push(performance.now()));
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

testWithEtcd(test, behaviour, body);

/** A way to etcd that can be cut. */
class Relay {
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  readonly port: number;
  private readonly to: number;

  constructor(port: number, to: number) {
    this.port = port;
    this.to = to;
  }

  async mend(): Promise<void> {
    const server = createServer(near => {
      const far = connect(this.to, '127.0.0.1');
      for (const [from, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on('error', () => {});
        from.on('close', () => {
          this.sockets.delete(from);
          other.destroy();
        });
        from.pipe(other);
      }
    });
    this.server = server;
    await new Promise<void>(resolve => server.listen(this.port, '127.0.0.1', resolve));
  }

  cut(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

const behaviourOfLoss =
  'a leader that is cut off from etcd keeps leading when its lease is gone, and takes the key again without a gap';

const bodyOfLoss = async () => {
  const cluster = await EtcdCluster.start();
  const nodes: ElectionNode[] = [];
  const [relayPort = 0, ...ports] = await freePorts(3);
  const relay = new Relay(relayPort, Number(new URL(cluster.hosts[0] ?? '').port));
  const start = async (name: string, hosts: readonly string[]) => {
    const listen = `127.0.0.1:${ports[nodes.length]}`;
    const node = await electionNode(name, { hosts }, {}, { listen, secret });
    nodes.push(node);
    return node;
  };
  const key = () => cluster.ctl(['get', '--print-value-only', '/weldr/v1/leader']) ?? '';
  try {
    await relay.mend();
    const a = await start('a', [`http://127.0.0.1:${relayPort}`]);
    await until('a leads', () => a.election.leadership.leading);
    const b = await start('b', cluster.hosts);
    await until('b is on the list', () => a.failsafe?.state.members.join() === 'b');
    const losses: Leadership[] = [];
    const { session } = a.election.leadership;
    a.onNotice = notice => void (notice.leading || losses.push(notice));
    b.onNotice = notice => void (notice.leading && losses.push(notice));

    relay.cut();
    await until('its lease is gone', () => key() === '');
    await sleep(1500);
    assert.ok(a.election.leadership.leading);
    assert.is(b.election.objectionTo(1), 'another node has led since');
    assert.is(key(), '', 'b has promised not to stand, and does not');

    await relay.mend();
    await until('the key is taken again', () => /"node":"a"/.test(key()));
    await until('etcd confirms it', () => a.failsafe?.state.active === false);
    assert.ok(a.election.leadership.leading);
    assert.is.not(a.election.leadership.session, session, 'the holder process sees another leadership');
    assert.equal(losses, [], 'there was no gap, and no other leader');
    await until('b is on the list again', () => a.failsafe?.state.members.join() === 'b');

    await a.close();
    await until('b leads once its promise is over', () => b.election.leadership.leading);
  } finally {
    relay.cut();
    for (const node of nodes) await node.close();
    await cluster.close();
  }
};

testWithEtcd(test, behaviourOfLoss, bodyOfLoss);
