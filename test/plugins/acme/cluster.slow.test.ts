// acme in a cluster: one node orders, the authority may ask any of them, and all show the certificate.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { startWeldr } from '../../../config/index.ts';
import { acme } from '../../../plugins/acme/index.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { etcd } from '../../../plugins/etcd/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { EtcdCluster, whyNoEtcd } from '../../cluster/etcd-cluster.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { Pebble, shownCertificate } from './pebble.ts';

const test = suite('acme in a cluster', { timeoutMs: 180_000, testTimeoutMs: 150_000 });

const body = async () => {
  const cluster = await EtcdCluster.start();
  const ports = { first: await freePort(), second: await freePort() };
  // The port of the node that does not order.
  const pebble = await Pebble.start({ httpPort: ports.second, hosts: ['127.0.0.1 shop.test'] });
  const folder = mkdtempSync(join(tmpdir(), 'weldr-acme-'));
  writeFileSync(join(folder, 'ca.pem'), pebble.ca);
  const origin = await startOrigin({ name: 'here' });
  const nodes: Awaited<ReturnType<typeof startWeldr>>[] = [];
  const adminPorts = { first: await freePort(), second: await freePort() };
  const start = async (name: 'first' | 'second'): Promise<number> => {
    const weldr = await startWeldr({
      listen: [`127.0.0.1:${ports[name]}`, { address: '127.0.0.1:0', tls: {} }],
      workers: 0,
      servers: [origin.url],
      logLevel: 'silent',
      plugins: [
        roundRobin(),
        acme({
          email: 'ops@shop.test',
          domains: ['shop.test'],
          directory: pebble.directory,
          ca: join(folder, 'ca.pem'),
        }),
        etcd({
          hosts: [...cluster.hosts],
          nodeName: name,
          localCopy: join(folder, `${name}.json`),
          candidate: name === 'first',
        }),
        adminApi({ listen: `127.0.0.1:${adminPorts[name]}` }),
      ],
    });
    nodes.push(weldr);
    return Number(weldr.addresses[1]?.split(':')[1]);
  };
  try {
    const second = await start('second');
    const first = await start('first');
    const root = await pebble.root();
    for (const port of [first, second]) {
      await until(
        'it is shown',
        async () => (await shownCertificate(port, 'shop.test', root)) !== undefined,
        60_000,
      );
    }
    assert.is(pebble.orders, 1);
    for (const name of ['first', 'second'] as const) {
      const response = await fetch(`http://127.0.0.1:${adminPorts[name]}/acme`);
      const { ordersHere, certificates } = (await response.json()) as {
        readonly ordersHere: boolean;
        readonly certificates: readonly { readonly state: string }[];
      };
      assert.equal([ordersHere, certificates[0]?.state], [name === 'first', 'valid']);
    }
  } finally {
    for (const node of nodes) await node.close();
    rmSync(folder, { recursive: true });
    await origin.close();
    await pebble.close();
    await cluster.close();
  }
};

const missing = whyNoEtcd();
const name = 'the leader orders, another node answers the authority, and both show the certificate';
if (missing === undefined) test(name, body);
else test.skip(name, missing, body);
