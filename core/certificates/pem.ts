// PEM: certificates and keys as text, and what is wrong with them.
import type { KeyObject, X509Certificate } from 'node:crypto';
import { describeError } from '../errors.ts';

/** What is wrong with a certificate and its key, and in which of the two. */
export interface PairFault {
  readonly field: 'cert' | 'key';
  readonly message: string;
}

/** Returns whether a text is a key that needs a passphrase. */
export const isEncrypted = (key: string): boolean =>
  /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(key);

/** Returns the certificates of a PEM text, each as PEM, without the rest of the text. */
export const certificateBlocks = (text: string): readonly string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];

/** Returns the certificates of a PEM text; undefined if there is none, or one that cannot be read. */
export function certificatesIn(text: string): readonly X509Certificate[] | undefined {
  const blocks = certificateBlocks(text);
  if (blocks.length === 0) return undefined;
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  try {
    return blocks.map(block => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

/** Returns why this certificate cannot be used with this key; undefined: it can. */
export function pairFault(cert: string, key: string): PairFault | undefined {
  const leaf = certificatesIn(cert)?.[0];
  if (leaf === undefined) {
    if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(cert) && !cert.includes('-----BEGIN CERTIFICATE-----')) {
      return { field: 'cert', message: 'is a key; are `cert` and `key` swapped?' };
    }
    return {
      field: 'cert',
      message:
        'cannot be read; expected certificates as PEM, -----BEGIN CERTIFICATE-----, each followed by the one that signed it',
    };
  }
  if (isEncrypted(key)) {
    return { field: 'key', message: 'is encrypted; decrypt it with: openssl pkey -in KEY -out PLAIN' };
  }
  return keyFault(leaf, key) ?? refusal(cert, key);
}

function keyFault(leaf: X509Certificate, key: string): PairFault | undefined {
  let parsed: KeyObject;
  try {
    parsed = process.getBuiltinModule('node:crypto').createPrivateKey(key);
  } catch {
    return { field: 'key', message: 'cannot be read; expected a key as PEM, -----BEGIN PRIVATE KEY-----' };
  }
  return leaf.checkPrivateKey(parsed) ? undefined : { field: 'key', message: 'is not the key of `cert`' };
}

/** What only OpenSSL knows, such as keys that are too short for it. */
function refusal(cert: string, key: string): PairFault | undefined {
  try {
    // Without authorities, because the system's take a while to load.
    process.getBuiltinModule('node:tls').createSecureContext({ cert, key, ca: [] });
    return undefined;
  } catch (thrown) {
    return { field: 'cert', message: `cannot be used: ${describeError(thrown)}` };
  }
}
