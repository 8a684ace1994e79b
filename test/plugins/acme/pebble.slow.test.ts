// acme against pebble, whose certificates end in seconds: they are renewed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { startWeldr } from '../../../config/index.ts';
import { acme } from '../../../plugins/acme/index.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { Pebble, shownCertificate } from './pebble.ts';

const test = suite('acme renewals with pebble', { timeoutMs: 180_000, testTimeoutMs: 150_000 });

test('a certificate that ends soon is renewed repeatedly by one account', async () => {
  const httpPort = await freePort();
  const pebble = await Pebble.start({
    httpPort,
    hosts: ['127.0.0.1 shop.test'],
    validity: 15,
  });
  const folder = mkdtempSync(join(tmpdir(), 'weldr-acme-'));
  writeFileSync(join(folder, 'ca.pem'), pebble.ca);
  const origin = await startOrigin({ name: 'here' });
  const weldr = await startWeldr({
    listen: [`127.0.0.1:${httpPort}`, { address: '127.0.0.1:0', tls: {} }],
    workers: 0,
    servers: [origin.url],
    logLevel: 'silent',
    plugins: [
      roundRobin(),
      poolFile({ path: join(folder, 'pool.json') }),
      acme({
        email: 'ops@shop.test',
        domains: ['shop.test'],
        directory: pebble.directory,
        ca: join(folder, 'ca.pem'),
        keyType: 'rsa',
      }),
    ],
  });
  try {
    const port = Number(weldr.addresses[1]?.split(':')[1]);
    const root = await pebble.root();
    const seen = new Set<string>();
    await until(
      'it is renewed',
      async () => {
        const certificate = await shownCertificate(port, 'shop.test', root);
        if (certificate !== undefined) seen.add(certificate.fingerprint256);
        return seen.size > 2;
      },
      100_000,
    );
    assert.match(pebble.log, 'There are now 1 accounts in memory');
  } finally {
    await weldr.close();
    rmSync(folder, { recursive: true });
    await origin.close();
    await pebble.close();
  }
});
