// Two real Weldrs on three members of etcd: whatever is killed, both nodes keep what either acknowledged.

import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { AcknowledgedChanges } from '../e2e/acknowledged-changes.ts';
import { freePort } from '../support/ports.ts';
import { randomOf } from '../support/random.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { makeFolder, startWeldr, type TestWeldr } from '../support/weldr.ts';
import { EtcdCluster, whyNoEtcd } from './etcd-cluster.ts';

const test = suite('nodes and members that are killed', { timeoutMs: 900_000, testTimeoutMs: 890_000 });
const missing = whyNoEtcd();

const rounds = 12;
const random = randomOf(Date.now());

const configOf = (node: string, hosts: readonly string[], adminPort: number): string => `
  import { defineConfig } from 'weldr';
  import { adminApi, etcd, roundRobin, routes } from 'weldr/plugins';
  export default defineConfig({
    listen: '127.0.0.1:0', workers: 1,
    plugins: [
      routes([]), roundRobin(), etcd({ hosts: ${JSON.stringify(hosts)}, nodeName: '${node}' }),
      adminApi({ listen: '127.0.0.1:${adminPort}' }),
    ],
  });`;

/** One node, which can be killed and restarted. */
class Node {
  weldr: TestWeldr | undefined;
  private readonly folder = makeFolder();
  private readonly config: string;
  readonly adminUrl: string;

  constructor(name: string, hosts: readonly string[], adminPort: number) {
    this.config = configOf(name, hosts, adminPort);
    this.adminUrl = `http://127.0.0.1:${adminPort}`;
  }

  async start(): Promise<void> {
    const { config, folder } = this;
    this.weldr = await startWeldr({ config, folder });
  }

  async kill(): Promise<void> {
    await this.weldr?.kill({ keep: true });
    this.weldr = undefined;
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until a node has every acknowledged change, because the other's changes take a moment to arrive. */
async function expectAll(changes: AcknowledgedChanges, adminUrl: string, when: string): Promise<void> {
  let left: readonly string[] = [];
  const isThere = async (): Promise<boolean> => {
    // While the node catches up, a listed pool may be gone when its servers are requested.
    left = await changes.missing(adminUrl).catch(thrown => [String(thrown)]);
    return left.length === 0;
  };
  await until(when, isThere, 30_000).catch(() => assert.equal(left, [], when));
}

const body = async () => {
  const cluster = await EtcdCluster.start({ size: 3 });
  const nodes: Node[] = [];
  for (const name of ['a', 'b']) nodes.push(new Node(name, cluster.hosts, await freePort()));
  const adminUrls = nodes.map(({ adminUrl }) => adminUrl);
  const changes = new AcknowledgedChanges();
  try {
    await Promise.all(nodes.map(node => node.start()));
    for (let round = 0; round < rounds; round++) {
      let over = false;
      const running = changes.run(adminUrls, () => over);
      const answered = changes.answered;
      await until('changes are answered', () => changes.answered > answered + 5, 30_000);
      await sleep(random(300));
      // Alternately one of the nodes, or a member of etcd.
      const victim = round % 2 === 0 ? nodes[(round / 2) % 2] : undefined;
      const member = random(3);
      if (victim === undefined) await cluster.signal(member, 'SIGKILL');
      else await victim.kill();
      const after = changes.answered;
      await until('changes continue without it', () => changes.answered > after + 5, 30_000);
      over = true;
      await running;
      if (victim === undefined) cluster.startMember(member);
      else await victim.start();
      for (const url of adminUrls) await expectAll(changes, url, `round ${round}, at ${url}`);
    }
  } finally {
    for (const node of nodes) await node.end();
    await cluster.close();
  }
};

const behaviour = `both nodes keep what either acknowledged over ${rounds} kills of nodes and members of etcd`;
if (missing === undefined) test(behaviour, body);
else test.skip(behaviour, missing, body);
