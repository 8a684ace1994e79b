// Certificates that change at run time: what operators put over those of the config, and what plugins see.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { CertificateInfo } from '../../../core/certificates/certificate-registry.ts';
import { listenerTls, type TlsMaterials } from '../../../core/certificates/listener-tls.ts';
import type { ManagerCertificates } from '../../../core/certificates/manager-certificates.ts';
import { readTls } from '../../../core/certificates/tls-reading.ts';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import type { StateStore } from '../../../core/state/store.ts';
import { FakeClock, managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { poolFile } from '../../../plugins/index.ts';
import { encryptedKey, type MadeCertificate, makeCertificate } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

const test = suite('certificates at run time');

const shop = makeCertificate({ names: ['shop.test', 'www.shop.test'] });
const next = makeCertificate({ names: ['shop.test'], days: 90 });
const api = makeCertificate({ names: ['api.test'], keyType: 'rsa' });
const old = makeCertificate({ names: ['shop.test'], days: -1 });

const materials = (...certificates: MadeCertificate[]): TlsMaterials => ({
  public: readTls(listenerTls.parse({ certificates }), 'tls').material,
});

interface Started {
  readonly side: TestManagerSide;
  readonly certificates: ManagerCertificates;
}

/** Starts a manager side with a plugin that reads the certificates. */
async function start(more: Parameters<typeof managerSide>[0] = [], clock = clockOfToday()): Promise<Started> {
  let certificates: ManagerCertificates | undefined;
  const reader = definePlugin({
    name: 'reader',
    manager(side) {
      certificates = side.certificates;
    },
  });
  const side = await managerSide([...[more].flat(), reader()], { clock });
  assert.ok(certificates);
  return { side, certificates };
}

function clockOfToday(): FakeClock {
  return new FakeClock(Date.now());
}

const brief = ({ name, names, layer, shadows, defaultOf }: CertificateInfo) => ({
  name,
  names: names.join(),
  layer,
  shadows,
  defaultOf: defaultOf.join(),
});

test('a certificate that is put replaces the config’s, which returns when it is removed', async () => {
  const { side, certificates } = await start();
  side.certificates.setConfig(materials(shop, api));
  assert.equal(certificates.list().map(brief), [
    { name: 'api.test', names: 'api.test', layer: 'config', shadows: undefined, defaultOf: '' },
    {
      name: 'shop.test',
      names: 'shop.test,www.shop.test',
      layer: 'config',
      shadows: undefined,
      defaultOf: 'public',
    },
  ]);
  const info = await certificates.put('Shop.test', next);
  assert.equal(brief(info), {
    name: 'shop.test',
    names: 'shop.test',
    layer: 'api',
    shadows: 'config',
    defaultOf: 'public',
  });
  const [own] = materials(shop)['public']?.certificates ?? [];
  assert.is(own && side.certificates.over(own)?.fingerprint, info.fingerprint);
  assert.match(
    (await rejectionOf(side.pools.write([{ ...key('shop.test'), op: 'remove' }], 'me'))).message,
    'config',
  );
  await certificates.remove('shop.test');
  assert.is(certificates.get('shop.test')?.layer, 'config');
  assert.equal(side.certificates.operators, []);
  assert.match(
    (await rejectionOf(certificates.remove('nobody.test'))).message,
    'there is no certificate nobody.test',
  );
  await side.close();
});

const key = (name: string) => ({ kind: 'certificate', key: name }) as const;

test('a certificate outside the config is put and removed, and leaves nothing behind', async () => {
  const { side, certificates } = await start();
  const told: string[] = [];
  certificates.observe((name, info) => void told.push(`${name} ${info?.names ?? 'gone'}`));
  await certificates.put('shop.test', shop, '127.0.0.1');
  await certificates.put('shop.test', shop, '127.0.0.1');
  await certificates.put('shop.test', next);
  await certificates.remove('shop.test');
  assert.equal(told, ['shop.test shop.test,www.shop.test', 'shop.test shop.test', 'shop.test gone']);
  assert.equal([...side.pools.state.all], []);
  assert.equal(
    side.logs.flatMap(({ msg }) => (msg.startsWith('certificate ') ? msg : [])),
    [
      'certificate shop.test is new, by 127.0.0.1',
      'certificate shop.test was replaced, by plugin reader',
      'certificate shop.test is removed, by plugin reader',
    ],
  );
  await side.close();
});

test('an unusable certificate is refused, with the field and never with the key', async () => {
  const { side, certificates } = await start();
  const encrypted = encryptedKey(shop.key, 'open sesame');
  for (const [pair, field, message] of [
    [{ ...shop, cert: 'x' }, 'cert', /^cert: cannot be read/],
    [{ ...shop, key: 'x' }, 'key', /^key: cannot be read/],
    [{ ...shop, key: api.key }, 'key', /^key: is not the key of `cert`$/],
    [{ ...shop, key: encrypted }, 'key', /^key: is encrypted; give `passphrase`$/],
    [{ ...shop, key: encrypted, passphrase: 'wrong' }, 'passphrase', /^passphrase: does not decrypt the key/],
    [old, 'cert', /^cert: the certificate shop\.test expired on \d{4}-\d\d-\d\d; renew it$/],
    [{ ...shop, key: '' }, 'key', /^key: /],
  ] as const) {
    const thrown = await rejectionOf(certificates.put('shop.test', pair));
    assert.is(thrown.code, 'INPUT_INVALID');
    assert.is(thrown.field, field);
    assert.match(thrown.message, message);
    assert.not.match(thrown.message, /sesame|END (ENCRYPTED )?PRIVATE KEY/);
  }
  assert.is((await rejectionOf(certificates.put('shop/test', shop))).field, 'name');
  assert.equal(certificates.list(), []);
  await certificates.put('shop.test', { cert: shop.cert, key: encrypted, passphrase: 'open sesame' });
  assert.match(side.certificates.operators[0]?.key ?? '', /^-----BEGIN PRIVATE KEY-----/);
  await side.close();
});

test('a store holds the key only encrypted, and a restart uses it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-put-'));
  const path = join(folder, 'pool.json');
  const store = () => poolFile({ path, keyFile: join(folder, 'pool.key') });
  try {
    const first = await start(store());
    // As in HAProxy: the key is in the same file.
    await first.certificates.put('shop.test', { cert: shop.key + shop.cert, key: shop.key });
    await first.side.close();
    const kept = readFileSync(path, 'utf8');
    assert.match(kept, 'BEGIN CERTIFICATE');
    assert.not.match(kept, 'PRIVATE KEY');
    const second = await start(store());
    assert.is(second.certificates.get('shop.test')?.layer, 'api');
    assert.is(second.side.certificates.operators[0]?.key, shop.key);
    await second.side.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a store that keeps keys unencrypted causes one warning', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-plain-'));
  try {
    const { side, certificates } = await start(poolFile({ path: join(folder, 'pool.json') }));
    await certificates.put('shop.test', shop);
    await certificates.put('api.test', api);
    assert.equal(
      side.logs.flatMap(({ level, msg }) => (level === 'warn' ? msg : [])),
      ['keys of certificates are stored unencrypted: give the plugin that stores them a keyFile'],
    );
    await side.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a stored certificate that has expired is loaded, an unusable one is not', async () => {
  const rowOf = (name: string, value: object) => ({
    ...key(name),
    op: 'define' as const,
    value: { ...value },
    by: 'me',
    at: 1,
  });
  const store: StateStore = {
    layer: 'cluster',
    load: async () => [
      rowOf('old.test', old),
      rowOf('later.test', { ...shop, ocsp: 'of a later version' }),
      rowOf('sealed.test', { ...shop, key: { sealed: 'with another key' } }),
      rowOf('shop.test', { ...shop, key: api.key }),
      rowOf('Not A Name', shop),
    ],
    write: async () => undefined,
  };
  const keeper = definePlugin({ name: 'keeper', manager: side => side.operator.useStore(store) });
  const { side, certificates } = await start(keeper());
  side.certificates.setConfig(materials(shop));
  assert.equal(
    certificates.list().map(({ name, layer }) => [name, layer]),
    [
      ['later.test', 'cluster'],
      ['old.test', 'cluster'],
      ['shop.test', 'config'],
    ],
  );
  const problems = side.logs.filter(({ level }) => level === 'error').map(({ msg }) => msg);
  assert.ok(problems.some(msg => msg.includes('later.test: ocsp is not known to this version')));
  assert.ok(
    problems.some(msg =>
      /shop\.test: cannot be used \(key: is not the key.*the value from config is used instead/.test(msg),
    ),
  );
  assert.not.match(JSON.stringify(side.logs), 'PRIVATE KEY');
  await certificates.remove('sealed.test');
  assert.is(side.pools.state.row('certificate', 'sealed.test'), undefined);
  await certificates.put('later.test', next);
  assert.is(side.pools.state.row('certificate', 'later.test')?.value?.['ocsp'], 'of a later version');
  await side.close();
});

test('an observer that fails does not affect others, and one whose plugin has ended receives nothing', async () => {
  const { side, certificates } = await start();
  const told: string[] = [];
  certificates.observe(() => {
    throw new Error('boom');
  });
  certificates.observe(name => void told.push(name));
  await certificates.put('shop.test', shop);
  assert.match(side.reported[0]?.message ?? '', 'plugin reader in an observer of certificates: boom');
  await side.close();
  await certificates.put('shop.test', next);
  assert.equal(told, ['shop.test']);
});
