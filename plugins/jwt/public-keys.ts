// PublicKeys: the keys of a set or a file that can check signatures (RFC 7517).
import { createPublicKey } from 'node:crypto';

/** A public key as JSON, without any private part. */
export interface PublicKey {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
}

/** More than any provider has: a token without a `kid` is tried with each key of its kind. */
const maxKeys = 100;
/** Characters of the modulus of a 2048-bit key. Shorter ones are insecure (RFC 7518 section 3.3). */
const shortestModulus = 342;

/** Returns the usable keys in a provider's response. Throws an Error that says what is wrong if there are none. */
export function publicKeysIn(set: unknown): PublicKey[] {
  const keys = isObject(set) ? set['keys'] : undefined;
  if (!Array.isArray(keys)) throw new Error('it is not a set of keys: it has no list "keys"');
  if (keys.length > maxKeys) throw new Error(`it has over ${maxKeys} keys`);
  const usable = keys.flatMap(each => publicKeyIn(each) ?? []);
  if (usable.length === 0) throw new Error('it has no public key that can check signatures');
  return usable;
}

/** Returns one key of a set; undefined: it must not check signatures. */
export function publicKeyIn(jwk: unknown): PublicKey | undefined {
  if (!isObject(jwk)) return undefined;
  const { kty, use, key_ops: operations } = jwk;
  if (use !== undefined && use !== 'sig') return undefined;
  if (Array.isArray(operations) && !operations.includes('verify')) return undefined;
  const needed = membersOf(kty, jwk);
  if (needed === undefined || typeof kty !== 'string') return undefined;
  return {
    kty,
    ...needed,
    ...(typeof jwk['kid'] === 'string' && { kid: jwk['kid'] }),
    ...(typeof jwk['alg'] === 'string' && { alg: jwk['alg'] }),
  };
}

/** Returns the members of a public key; undefined: it is not one, or it is insecure. */
function membersOf(
  kty: unknown,
  { n, e, crv, x, y }: Record<string, unknown>,
): Partial<PublicKey> | undefined {
  if (kty === 'RSA' && typeof n === 'string' && typeof e === 'string' && n.length >= shortestModulus) {
    return { n, e };
  }
  if (typeof crv !== 'string' || typeof x !== 'string') return undefined;
  if (kty === 'EC' && typeof y === 'string') return { crv, x, y };
  return kty === 'OKP' ? { crv, x } : undefined;
}

/** Returns the key in a PEM public key or certificate. Throws an Error that says what is wrong. */
export function publicKeyOf(pem: string): PublicKey {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new Error('is a private key: use the public one, as `openssl pkey -pubout` prints it');
  }
  let jwk: unknown;
  try {
    jwk = createPublicKey(pem).export({ format: 'jwk' });
  } catch {
    throw new Error('is not a public key: use PEM, which begins with -----BEGIN PUBLIC KEY-----');
  }
  const key = publicKeyIn(jwk);
  if (key === undefined) throw new Error('is a key of an unsupported type, or RSA of fewer than 2048 bits');
  return key;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
