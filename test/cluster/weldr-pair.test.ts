// Two real Weldrs and a real etcd on loopback ports: they share the pool, show the cluster, and a reload keeps the leader.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';
import { EtcdCluster, whyNoEtcd } from './etcd-cluster.ts';

const test = suite('a pair of Weldrs', { timeoutMs: 180_000, testTimeoutMs: 120_000 });
const missing = whyNoEtcd();

const clusterBody = z.object({
  leader: z.string().nullable(),
  stale: z.boolean(),
  members: z.array(z.object({ node: z.string(), maintenance: z.object({ by: z.string() }).optional() })),
  etcd: z.object({ healthy: z.boolean() }),
  etcdMembers: z.array(z.object({ host: z.string(), healthy: z.boolean(), leader: z.boolean() })),
});
const serversBody = z.object({ servers: z.array(z.object({ url: z.string(), layer: z.string() })) });
const reportsBody = z.object({
  nodes: z.array(z.object({ node: z.string(), unavailable: z.array(z.object({ url: z.string() })) })),
});

// A fixed free port for the admin API: port 0 would be another one after the reload.
const config = (
  name: string,
  hosts: readonly string[],
  adminPort: number,
) => `import { defineConfig } from 'weldr';
import { adminApi, etcd, healthCheck, roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0',
  workers: 1,
  plugins: [
    roundRobin(),
    healthCheck({ interval: '200ms', failures: 1 }),
    etcd({ hosts: ${JSON.stringify(hosts)}, nodeName: '${name}' }),
    adminApi({ listen: '127.0.0.1:${adminPort}' }),
  ],
});
`;

async function ask<T>(schema: z.ZodType<T>, weldr: TestWeldr, path: string): Promise<T> {
  return schema.parse(await (await fetch(`${weldr.adminUrl}${path}`)).json());
}

const body = async () => {
  const cluster = await EtcdCluster.start();
  const weldrs: TestWeldr[] = [];
  try {
    for (const name of ['a', 'b']) {
      weldrs.push(await startWeldr({ config: config(name, cluster.hosts, await freePort()) }));
    }
    const [a, b] = weldrs;
    if (a === undefined || b === undefined) throw new Error('they did not start');

    const url = 'http://127.0.0.1:1';
    const added = await fetch(`${a.adminUrl}/servers`, { method: 'POST', body: JSON.stringify({ url }) });
    assert.is(added.status, 201, await added.text());
    await until('b has it', async () => (await ask(serversBody, b, '/servers')).servers.length === 1);
    assert.is((await ask(serversBody, b, '/servers')).servers[0]?.layer, 'cluster');

    await until('both are listed', async () => (await ask(clusterBody, b, '/cluster')).members.length === 2);
    const seen = await ask(clusterBody, b, '/cluster');
    assert.ok(!seen.stale && seen.etcd.healthy && seen.etcdMembers[0]?.leader);
    await until('each reports that the server does not answer', async () => {
      const { nodes } = await ask(reportsBody, a, '/cluster/servers');
      return nodes.length === 2 && nodes.every(({ unavailable }) => unavailable[0]?.url === url);
    });
    await until('all is well', async () => {
      const { code, stdout } = await runWeldr(['cluster', 'status', '--admin-url', b.adminUrl]);
      return code === 0 && /^b +(leads|stands by) +100 +yes/m.test(stdout) && /healthy, leads/.test(stdout);
    });

    const [leader, other] = seen.leader === 'a' ? [a, b] : [b, a];
    const from = leader.logs.length;
    leader.signal('SIGHUP');
    await leader.logged(({ msg }) => /reload/.test(msg) && !/reloading/.test(msg), { from });
    await sleep(3000);
    assert.is((await ask(clusterBody, other, '/cluster')).leader, seen.leader, 'a reload keeps the leader');
    assert.not.ok(leader.logs.slice(from).some(({ msg }) => /handing over|not leading/.test(msg)));
    const again = await fetch(`${leader.adminUrl}/servers`, {
      method: 'POST',
      body: JSON.stringify({ url: 'http://127.0.0.1:2' }),
    });
    assert.is(again.status, 201, 'changes continue after a reload');
    await until('they arrive', async () => (await ask(serversBody, other, '/servers')).servers.length === 2);

    const command = (...words: string[]) => runWeldr(['cluster', ...words, '--admin-url', other.adminUrl]);
    const [first, second] = seen.leader === 'a' ? ['a', 'b'] : ['b', 'a'];
    const moved = await command('hand-over', '--to', second);
    assert.is(moved.stdout.trim(), `${first} has handed over to ${second}, which leads now`, moved.stderr);
    assert.match((await command('hand-over', '--to', second)).stdout, `${second} already leads`);
    assert.match((await command('hand-over', '--to', 'x')).stderr, 'no node "x" takes part');
    assert.match(
      (await command('maintenance', 'on')).stdout,
      `${second} is in maintenance and does not lead`,
    );
    assert.is((await ask(clusterBody, other, '/cluster')).leader, first, 'it hands over first');
    const members = (await ask(clusterBody, leader, '/cluster')).members;
    assert.ok(members.find(({ node }) => node === second)?.maintenance?.by.includes('127.0.0.1'));
    assert.match((await command('maintenance', 'off', second)).stdout, 'takes part in the election again');

    await leader.stop();
    const name = seen.leader === 'a' ? 'b' : 'a';
    await until(
      'the other leads',
      async () => (await ask(clusterBody, other, '/cluster')).leader === name,
      3000,
    );
  } finally {
    for (const weldr of weldrs) await weldr.kill();
    await cluster.close();
  }
};

const behaviour = 'shares the pool, shows itself, keeps the leader over a reload and hands over at a stop';
if (missing === undefined) test(behaviour, body);
else test.skip(behaviour, missing, body);
