// Settings of TLS to upstreams are checked where they are written.
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { parse } from '../../../core/options/options.ts';
import { ManagedPools } from '../../../core/pool/managed-pools.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { upstreamTls } from '../../../core/pool/upstream-tls.ts';
import type { Row } from '../../../core/state/row.ts';
import { FakeClock } from '../../../core/testing.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { KeptRows } from '../../support/kept-rows.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the TLS settings of upstreams');

const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' });
const other = openssl('ecparam', '-genkey', '-name', 'prime256v1', '-noout');

test('accepts a pair, a chain, texts around certificates, names and addresses', () => {
  for (const tls of [
    {},
    { ca: certificate },
    { ca: `# ours\n${certificate}\nSubject: x - y\n${certificate}` },
    { cert: certificate, key: privateKey },
    { cert: certificate + certificate, key: privateKey },
    { servername: 'a.example' },
    { servername: 'xn--bcher-kva.example' },
    { servername: '_a.b_c.example' },
    { servername: '127.0.0.1' },
    { servername: '::1' },
  ]) {
    assert.equal(parse(upstreamTls, tls), tls);
  }
});

const encrypted = createPrivateKey(privateKey).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'a test',
});

/** A key of 512 bits with its certificate, which OpenSSL reads and does not use. */
function shortPair(): { cert: string; key: string } {
  const text = openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:512',
    '-nodes',
    '-keyout',
    '-',
    '-subj',
    '/CN=short',
    '-days',
    '2',
  );
  const [key = ''] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/.exec(text) ?? [];
  const [cert = ''] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
  return { cert, key };
}

const wrong: [what: string, tls: Record<string, unknown>, field: string, why: RegExp][] = [
  ['a CA that is not PEM', { ca: 'nonsense' }, 'ca', /no certificate that can be read/],
  ['an empty CA', { ca: '' }, 'ca', /no certificate/],
  ['a key as the CA', { ca: privateKey }, 'ca', /no certificate/],
  [
    'a CA whose second certificate is cut',
    { ca: certificate + certificate.replace(/MIIB.+/, '') },
    'ca',
    /no certificate that/,
  ],
  [
    'a path as the certificate',
    { cert: '/etc/ssl/a.pem', key: privateKey },
    'cert',
    /cannot be read; expected cert/,
  ],
  [
    'a path as the key',
    { cert: certificate, key: '/etc/ssl/a.key' },
    'key',
    /cannot be read; expected a key/,
  ],
  ['the certificate as the key', { cert: certificate, key: certificate }, 'key', /cannot be read/],
  ['the key of another certificate', { cert: certificate, key: other }, 'key', /is not the key of `cert`/],
  ['an encrypted key', { cert: certificate, key: encrypted }, 'key', /is encrypted/],
  ['a certificate alone', { cert: certificate }, 'cert', /has no key/],
  ['a key alone', { key: privateKey }, 'key', /has no certificate/],
  ['a pair that is too short', shortPair(), 'cert', /cannot be used: its key is too short/],
  ['an empty name', { servername: '' }, 'servername', /host name/],
  ['a name with a port', { servername: 'a:443' }, 'servername', /host name/],
  ['a name with a space', { servername: 'a b' }, 'servername', /host name/],
  ['a name that is not ASCII', { servername: 'bücher.example' }, 'servername', /host name/],
  ['a name with a dot at its end', { servername: 'a.' }, 'servername', /host name/],
];
for (const [what, tls, field, why] of wrong) {
  test(`refuses ${what}, and names its field`, () => {
    try {
      parse(serverDefinition, { url: 'https://a', tls });
    } catch (thrown) {
      if (!(thrown instanceof WeldrError)) throw thrown;
      assert.is(thrown.field, `tls.${field}`);
      assert.match(thrown.message, why);
      assert.not.match(thrown.message, 'BEGIN EC');
      return;
    }
    assert.unreachable('it was accepted');
  });
}

const row: Row = {
  kind: 'server',
  key: 'default/https://a:1',
  op: 'define',
  value: { url: 'https://a:1', tls: { cert: certificate, key: other } },
  by: 'a test',
  at: 1,
};

function poolsWith(said: string[]): ManagedPools {
  return new ManagedPools({
    clock: new FakeClock(),
    drainTimeout: 1000,
    workers: () => [],
    report: ({ key }, problem) => said.push(`${key}: ${problem}`),
  });
}

test('an unusable row of a store has no effect, is kept, and says where it is wrong', async () => {
  const store = new KeptRows();
  store.rows.set('a', row);
  const said: string[] = [];
  const pools = poolsWith(said);
  pools.setConfig({});
  await pools.useStore(store);
  assert.is(pools.get('default', 'https://a:1'), undefined);
  assert.match(said.join(), /default\/https:\/\/a:1: .*tls\.key: is not the key of `cert`/);
  assert.is(store.rows.size, 1);
});

test('unusable rows are not imported', async () => {
  const pools = poolsWith([]);
  pools.setConfig({});
  await pools.useStore(new KeptRows());
  try {
    await pools.state.take([row], 'a test');
  } catch (thrown) {
    assert.match(String(thrown), 'tls.key: is not the key of `cert`');
    return;
  }
  assert.unreachable('it was accepted');
});
