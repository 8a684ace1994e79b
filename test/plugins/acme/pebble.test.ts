// acme against pebble, a real ACME server: certificates are issued, shown, and kept across a restart.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { makeFolder, startWeldr } from '../../support/weldr.ts';
import { Pebble, shownCertificate } from './pebble.ts';

const test = suite('acme with pebble', { timeoutMs: 180_000, testTimeoutMs: 120_000 });

/** Of pebble's own example. */
const hmacKey = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W';

test('a name gets its certificate while all requests are redirected, keeps it across a restart, and another one waits', async () => {
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const pebble = await Pebble.start({
    httpPort,
    hosts: ['127.0.0.1 shop.test', '127.0.0.1 www.shop.test', '127.0.0.2 away.test'],
    externalAccounts: { 'kid-1': hmacKey },
    refusedNonces: 15,
  });
  const origin = await startOrigin({ name: 'here' });
  const config = `
    import { defineConfig } from 'weldr';
    import { acme, adminApi, httpsRedirect, ipFilter, poolFile, roundRobin } from 'weldr/plugins';
    export default defineConfig({
      listen: ['127.0.0.1:${httpPort}', { address: '127.0.0.1:${httpsPort}', tls: {} }], workers: 2, servers: ['${origin.url}'],
      plugins: [httpsRedirect(), roundRobin(), poolFile({ keyFile: 'seal.key' }), adminApi({ listen: '127.0.0.1:0' }), acme({
        email: 'ops@shop.test', domains: [['shop.test', 'www.shop.test'], 'away.test', 'nowhere.test'],
        directory: '${pebble.directory}', ca: 'ca.pem', externalAccount: { keyId: 'kid-1', hmacKey: 'file:hmac' },
      })],
    });`;
  const folder = makeFolder();
  const files = { 'ca.pem': pebble.ca, hmac: `${hmacKey}\n` };
  try {
    const first = await startWeldr({ config, files, folder });
    let fingerprint: string | undefined;
    try {
      for (const [name, why] of [
        [
          'away.test',
          /^no certificate for away\.test: .*connection refused \(connection\); the authority has to reach .*http:\/\/away\.test,/,
        ],
        [
          'nowhere.test',
          /^no certificate for nowhere\.test: .*could not resolve.*; the authority has to reach/,
        ],
      ] as const) {
        const said = await first.logged(({ certificate, level }) => certificate === name && level === 50, {
          timeoutMs: 60_000,
        });
        assert.match(said.msg, why);
        assert.match(said.msg, /; next attempt at \d{4}-/);
      }
      const root = await pebble.root();
      for (const name of ['shop.test', 'www.shop.test']) {
        const certificate = await shownCertificate(httpsPort, name, root);
        assert.match(certificate?.subjectAltName ?? '', `DNS:${name}`);
        assert.is(certificate?.publicKey.asymmetricKeyType, 'ec');
        fingerprint = certificate?.fingerprint256;
      }
      const redirected = await fetch(`${first.url}/.well-known/acme-challenge/x`, { redirect: 'manual' });
      assert.is(redirected.status, 308);
      const view = (await (await fetch(`${first.adminUrl}/acme`)).json()) as {
        readonly ordersHere: boolean;
        readonly certificates: readonly Record<string, unknown>[];
      };
      assert.is(view.ordersHere, true);
      assert.equal(
        view.certificates.map(({ name, state, failures }) => [name, state, failures]),
        [
          ['shop.test', 'valid', 0],
          ['away.test', 'missing', 1],
          ['nowhere.test', 'missing', 1],
        ],
      );
      assert.not.match(readFileSync(join(folder, 'weldr-pool.json'), 'utf8'), 'PRIVATE KEY');
    } finally {
      await first.stop({ keep: true });
    }
    const orders = pebble.orders;
    assert.is(orders, 3);
    const second = await startWeldr({ config, files, folder });
    try {
      const certificate = await shownCertificate(httpsPort, 'shop.test', await pebble.root());
      assert.is(certificate?.fingerprint256, fingerprint);
      const view = (await (await fetch(`${second.adminUrl}/acme`)).json()) as {
        readonly certificates: readonly { readonly nextOrder: number }[];
      };
      assert.ok(view.certificates.every(({ nextOrder }) => nextOrder > Date.now()));
      assert.is(pebble.orders, orders, 'no order is made again');
    } finally {
      await second.stop({ keep: true });
    }
  } finally {
    rmSync(folder, { recursive: true });
    await origin.close();
    await pebble.close();
  }
});
