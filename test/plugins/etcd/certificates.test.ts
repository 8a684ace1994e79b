// Certificates in a cluster: one Weldr's certificate is served by the others, and etcd holds no readable key.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../../core/plugin/plugin.ts';
import { etcd, roundRobin } from '../../../plugins/index.ts';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import { makeCertificate } from '../../support/authority.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { testWithEtcd } from './etcd-tests.ts';

const test = suite('certificates in etcd', { timeoutMs: 120_000 });

const shop = makeCertificate({ names: ['shop.test'] });
const next = makeCertificate({ names: ['shop.test'], days: 90 });

/** Resolves with the fingerprint of the certificate on a port, or why there is none. */
async function shown(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'shop.test', rejectUnauthorized: false });
  const how = await new Promise<string>(resolve => {
    socket.once('error', error => resolve(String(Object(error).code)));
    socket.once('secureConnect', () => resolve(socket.getPeerCertificate().fingerprint256));
  });
  socket.destroy();
  return how;
}

const body = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-shared-'));
  const cluster = await EtcdCluster.start();
  const keyFile = join(folder, 'key');
  writeFileSync(keyFile, Buffer.alloc(32, 7).toString('base64'), { mode: 0o600 });
  const sides = new Map<string, ManagerSide>();
  const configOf = (nodeName: string) => ({
    listen: { address: '127.0.0.1:0', tls: {} },
    plugins: [
      roundRobin(),
      etcd({ hosts: [...cluster.hosts], nodeName, keyFile, localCopy: join(folder, nodeName) }),
      definePlugin({ name: 'reader', manager: side => void sides.set(nodeName, side) })(),
    ],
  });
  try {
    await withWeldr(configOf('a'), async a => {
      await withWeldr(configOf('b'), async b => {
        const [first, second] = [sides.get('a'), sides.get('b')];
        if (first === undefined || second === undefined) throw new Error('they did not start');
        const changes: string[] = [];
        second.certificates.observe((name, info) => void changes.push(`${name} ${info?.layer}`));
        assert.is(await shown(b.port), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
        const { fingerprint } = await first.certificates.put('shop.test', shop);
        assert.is(await shown(a.port), fingerprint);
        await until('b shows it', async () => (await shown(b.port)) === fingerprint);
        assert.equal(changes, ['shop.test cluster']);
        const replaced = await second.certificates.put('shop.test', next);
        await until('a shows the next one', async () => (await shown(a.port)) === replaced.fingerprint);
        const kept = cluster.ctl(['get', '--prefix', '/weldr/v2/certificate/']) ?? '';
        assert.match(kept, 'BEGIN CERTIFICATE');
        assert.match(kept, '"key":{"sealed":');
        assert.not.match(kept, 'PRIVATE KEY');
        await first.certificates.remove('shop.test');
        await until('b has none', async () => (await shown(b.port)) === 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
        assert.is(cluster.ctl(['get', '--prefix', '/weldr/v2/certificate/']), '');
      });
    });
  } finally {
    await cluster.close();
    rmSync(folder, { recursive: true });
  }
};

const behaviour =
  'a certificate put at one node is served by the other, replaced there, and removed from both';
testWithEtcd(test, behaviour, body);
