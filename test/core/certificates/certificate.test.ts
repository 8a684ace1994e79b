// Certificates for clients: what is read from them, what is refused, and which ones are for a name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Certificate, readCertificate } from '../../../core/certificates/certificate.ts';
import { DistinctNames } from '../../../core/certificates/certificate-name.ts';
import { CertificateNames } from '../../../core/certificates/certificate-names.ts';
import { listenerTls } from '../../../core/certificates/listener-tls.ts';
import { readTls } from '../../../core/certificates/tls-reading.ts';
import { encryptedKey, makeCertificate, revocationList } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';

const reading = suite('a certificate');

const shop = makeCertificate({ names: ['shop.test', '*.Shop.test'], days: 30 });
const rsa = makeCertificate({ names: ['shop.test'], keyType: 'rsa' });

function read(cert: string, key: string, passphrase?: string): Certificate {
  const made = readCertificate(cert, key, passphrase);
  if ('name' in made) return made;
  throw new Error(`${made.field}: ${made.message}`);
}

reading('returns its names, key type, issuer and time', () => {
  const certificate = read(shop.cert, shop.key);
  assert.equal(certificate.names, ['shop.test', '*.shop.test']);
  assert.equal([certificate.name, certificate.keyType, certificate.issuer], ['shop.test', 'ec', 'shop.test']);
  const days = (certificate.notAfter - certificate.notBefore) / 86_400_000;
  assert.is(days, 30);
  assert.is(read(rsa.cert, rsa.key).keyType, 'rsa');
});

reading('takes an encrypted key with its passphrase, and passes it on decrypted', () => {
  const key = encryptedKey(shop.key, 'open sesame');
  assert.match(read(shop.cert, key, 'open sesame').key, /^-----BEGIN PRIVATE KEY-----/);
  assert.throws(() => read(shop.cert, key), /^key: is encrypted; give `passphrase`/);
  assert.throws(() => read(shop.cert, key, 'wrong'), /^passphrase: does not decrypt the key/);
});

reading('that is unusable is refused, with the part that is wrong', () => {
  assert.throws(() => read('x', shop.key), /^cert: cannot be read; expected certificates as PEM/);
  assert.throws(() => read(shop.cert, 'x'), /^key: cannot be read; expected a key as PEM/);
  assert.throws(() => read(shop.cert, rsa.key), /^key: is not the key of `cert`/);
});

const names = suite('the certificates for a name');

const of = (name: string, keyType: string, ...all: string[]): Certificate => ({
  ...read(shop.cert, shop.key),
  name,
  keyType,
  names: [name, ...all],
});

names('are those of the exact name, then those of a wildcard, which covers one label', () => {
  const [exact, wild, deep] = [of('a.test', 'ec'), of('*.test', 'ec'), of('*.b.test', 'ec')];
  const index = new CertificateNames([exact, wild, deep]);
  assert.equal(index.for('a.test'), [exact]);
  assert.equal(index.for('A.TEST'), [exact]);
  assert.equal(index.for('b.test'), [wild]);
  assert.equal(index.for('c.b.test'), [deep]);
  for (const name of ['d.c.b.test', 'test', '', '.test', 'other', '*.test.test']) {
    assert.equal(index.for(name).length, 0, name);
  }
});

names('are one for each type of key, the first of each', () => {
  const [ec, twin, second] = [of('a.test', 'ec'), of('a.test', 'rsa'), of('a.test', 'ec')];
  assert.equal(new CertificateNames([ec, twin, second]).for('a.test'), [ec, twin]);
});

names('of certificates stay unique when several would have the same', () => {
  const names = new DistinctNames();
  const made = (fingerprint: string, keyType: string): Certificate => ({
    ...of('a.test', keyType),
    fingerprint,
  });
  const given = [made('1', 'ec'), made('2', 'rsa'), made('1', 'ec'), made('3', 'rsa')];
  assert.equal(
    given.map(one => names.named(one).name),
    ['a.test', 'a.test-rsa', 'a.test', 'a.test-rsa-2'],
  );
});

const config = suite('tls of a listener');

const parse = (tls: object) => readTls(listenerTls.parse(tls), 'listen[0].tls');

config('reads from paths, files, variables and the config itself, and says which files it read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-tls-'));
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('cert'), shop.cert);
  writeFileSync(at('key'), encryptedKey(shop.key, 'open sesame'));
  writeFileSync(at('word'), 'open sesame\n');
  process.env['WELDR_TEST_KEY'] = rsa.key;
  try {
    const { material, paths } = parse({
      certificates: [
        { cert: at('cert'), key: `file:${at('key')}`, passphrase: `file:${at('word')}` },
        { cert: rsa.cert, key: 'env:WELDR_TEST_KEY' },
      ],
    });
    assert.equal(
      material.certificates.map(({ keyType }) => keyType),
      ['ec', 'rsa'],
    );
    assert.equal([...paths].sort(), [at('cert'), at('key'), at('word')]);
    assert.equal(
      [material.profile, material.unknownName, material.clientAuth],
      ['intermediate', 'default', undefined],
    );
  } finally {
    delete process.env['WELDR_TEST_KEY'];
    rmSync(folder, { recursive: true });
  }
});

config('is refused with the place and the reason', () => {
  const good = { cert: shop.cert, key: shop.key };
  const authority = makeCertificate({ names: ['authority'], isAuthority: true });
  const crl = revocationList(authority, []);
  for (const [tls, message] of [
    [
      { certificates: [good, { cert: '/nowhere/a.pem', key: 'x' }] },
      /^listen\[0\]\.tls\.certificates\[1\]\.cert: cannot be read: ENOENT.*'\/nowhere\/a\.pem'/,
    ],
    [
      { certificates: [{ cert: shop.cert, key: rsa.key }] },
      /^listen\[0\]\.tls\.certificates\[0\]\.key: is not the key of `cert`$/,
    ],
    [
      { certificates: [{ cert: shop.cert, key: 'env:WELDR_NOWHERE' }] },
      /\.key: the variable WELDR_NOWHERE is not set$/,
    ],
    [
      { certificates: [{ cert: '/etc/hostname', key: shop.key }] },
      /\.cert: \/etc\/hostname cannot be read; expected certificates as PEM/,
    ],
    [
      { certificates: [good], clientAuth: { ca: '/etc/hostname' } },
      /^listen\[0\]\.tls\.clientAuth\.ca: holds no certificate/,
    ],
    [
      { certificates: [good], clientAuth: { ca: authority.cert, crl: authority.cert } },
      /clientAuth\.crl: holds no revocation list/,
    ],
  ] as const) {
    assert.throws(
      () => parse(tls),
      (error: Error) => message.test(error.message) || assert.unreachable(error.message),
    );
  }
  assert.is(
    parse({ certificates: [good], clientAuth: { ca: authority.cert, crl } }).material.clientAuth?.crl,
    crl,
  );
  for (const tls of [
    { certificates: [{ ...good, name: 'Shop Test' }] },
    { certificates: [{ cert: shop.cert }] },
    { certificates: [good], profile: 'old' },
  ]) {
    assert.not(listenerTls.safeParse(tls).success);
  }
});
