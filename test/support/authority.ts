// Certificates for tests, made by openssl: signed by a test's own authority, or self-signed.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate and its key, PEM. */
export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The properties of a certificate. */
export interface CertificateWish {
  /** DNS names and addresses; the first is also its common name. */
  readonly names: readonly string[];
  readonly keyType?: 'ec' | 'rsa';
  /** Days until it expires; below 0: it has expired. Default 365. */
  readonly days?: number;
  /** The authority that signs it; default: itself. */
  readonly authority?: MadeCertificate;
  /** Whether it may sign others. */
  readonly isAuthority?: boolean;
}

/** Makes a certificate. */
export function makeCertificate(wish: CertificateWish): MadeCertificate {
  const { names, keyType = 'ec', days = 365, authority, isAuthority = false } = wish;
  return inFolder(folder => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const kind = keyType === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : ['rsa:2048'];
    const alternatives = names.map(name => `${isIP(name) === 0 ? 'DNS' : 'IP'}:${name}`).join(',');
    openssl(
      'req',
      '-new',
      '-newkey',
      ...kind,
      '-nodes',
      '-keyout',
      'key',
      '-out',
      'csr',
      '-subj',
      `/CN=${names[0]}`,
    );
    writeFileSync(
      join(folder, 'extensions'),
      `subjectAltName=${alternatives}\nbasicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}\n`,
    );
    if (authority !== undefined) {
      writeFileSync(join(folder, 'ca'), authority.cert);
      writeFileSync(join(folder, 'ca-key'), authority.key);
    }
    const signer =
      authority === undefined ? ['-signkey', 'key'] : ['-CA', 'ca', '-CAkey', 'ca-key', '-CAcreateserial'];
    openssl(
      'x509',
      '-req',
      '-in',
      'csr',
      ...signer,
      '-out',
      'cert',
      '-days',
      String(days),
      '-extfile',
      'extensions',
    );
    return {
      cert: readFileSync(join(folder, 'cert'), 'utf8'),
      key: readFileSync(join(folder, 'key'), 'utf8'),
    };
  });
}

/** Returns the revocation list of an authority, PEM. */
export function revocationList(authority: MadeCertificate, revoked: readonly MadeCertificate[]): string {
  return inFolder(folder => {
    writeFileSync(join(folder, 'ca'), authority.cert);
    writeFileSync(join(folder, 'ca-key'), authority.key);
    writeFileSync(join(folder, 'index'), '');
    writeFileSync(join(folder, 'number'), '01\n');
    writeFileSync(
      join(folder, 'config'),
      '[ca]\ndefault_ca=own\n[own]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\n',
    );
    const openssl = (...args: string[]) =>
      execFileSync('openssl', ['ca', '-config', 'config', '-cert', 'ca', '-keyfile', 'ca-key', ...args], {
        cwd: folder,
        stdio: 'pipe',
      });
    for (const [n, { cert }] of revoked.entries()) {
      writeFileSync(join(folder, `revoked-${n}`), cert);
      openssl('-revoke', `revoked-${n}`);
    }
    openssl('-gencrl', '-out', 'crl');
    return readFileSync(join(folder, 'crl'), 'utf8');
  });
}

/** Returns the key of a certificate, encrypted with a passphrase. */
export function encryptedKey(key: string, passphrase: string): string {
  return execFileSync('openssl', ['pkey', '-aes256', '-passout', `pass:${passphrase}`], {
    input: key,
    encoding: 'utf8',
  });
}

/** Works in a temporary folder; `write` puts a file into it. */
export function inFolder<T>(work: (folder: string, write: (name: string, text: string) => void) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-certificates-'));
  try {
    return work(folder, (name, text) => writeFileSync(join(folder, name), text));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
