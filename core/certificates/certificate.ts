// Certificate: a certificate that Weldr shows to clients, with its key and its contents.
import type { X509Certificate } from 'node:crypto';
import { describeError } from '../errors.ts';
import { certificatesIn, isEncrypted, type PairFault, pairFault } from './pem.ts';

/** A certificate with its key: plain JSON, as it goes to the workers. */
export interface Certificate {
  /** Its identity: by default the first of its names. */
  readonly name: string;
  /** The names and addresses that it covers, in lower case; a name may begin with `*.`, for one label. */
  readonly names: readonly string[];
  /** PEM, followed by its chain. */
  readonly cert: string;
  /** PEM, not encrypted. */
  readonly key: string;
  /** Such as `ec`, `rsa`, `ed25519`. */
  readonly keyType: string;
  /** Who signed it. */
  readonly issuer: string;
  /** The time from which and until which it is valid, ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of it, such as `AB:CD:…`. */
  readonly fingerprint: string;
}

/**
 * Reads a certificate (PEM, followed by its chain) and its key. Returns what is wrong if it cannot be used.
 */
export function readCertificate(
  cert: string,
  key: string,
  passphrase: string | undefined,
): Certificate | (PairFault | { readonly field: 'passphrase'; readonly message: string }) {
  const plain = decrypted(key, passphrase);
  if (typeof plain !== 'string') return plain;
  const fault = pairFault(cert, plain);
  if (fault !== undefined) return fault;
  const [leaf] = certificatesIn(cert) ?? [];
  const names = leaf === undefined ? [] : namesOf(leaf);
  const [name] = names;
  if (leaf === undefined || name === undefined) {
    return { field: 'cert', message: 'covers no name: it has neither a subjectAltName nor a common name' };
  }
  return {
    name,
    names,
    cert,
    key: plain,
    keyType: leaf.publicKey.asymmetricKeyType ?? 'unknown',
    issuer: commonNameOf(leaf.issuer) ?? leaf.issuer.replaceAll('\n', ', '),
    notBefore: leaf.validFromDate.getTime(),
    notAfter: leaf.validToDate.getTime(),
    fingerprint: leaf.fingerprint256,
  };
}

function decrypted(
  key: string,
  passphrase: string | undefined,
): string | { readonly field: 'passphrase' | 'key'; readonly message: string } {
  if (!isEncrypted(key)) return key;
  if (passphrase === undefined) {
    return { field: 'key', message: 'is encrypted; give `passphrase`' };
  }
  try {
    const parsed = process.getBuiltinModule('node:crypto').createPrivateKey({ key, passphrase });
    return parsed.export({ type: 'pkcs8', format: 'pem' });
  } catch (thrown) {
    return { field: 'passphrase', message: `does not decrypt the key: ${describeError(thrown)}` };
  }
}

const dnsName = /^(\*\.)?[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/;

/** RFC 6125: the alternative names count; the common name only where there are none. */
function namesOf(leaf: X509Certificate): string[] {
  const names: string[] = [];
  for (const entry of (leaf.subjectAltName ?? '').split(', ')) {
    const [, kind, value = ''] = /^(DNS|IP Address):(.+)$/.exec(entry) ?? [];
    const name = value.toLowerCase();
    if (kind === 'IP Address' || (kind === 'DNS' && dnsName.test(name))) names.push(name);
  }
  if (names.length > 0) return names;
  const common = commonNameOf(leaf.subject)?.toLowerCase();
  return common !== undefined && dnsName.test(common) ? [common] : [];
}

function commonNameOf(distinguished: string | undefined): string | undefined {
  return /^CN=(.+)$/m.exec(distinguished ?? '')?.[1];
}
