// Verification: checks the signature and the claims of one token, with the library jose.
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { Algorithm } from './algorithms.ts';
import type { PublicKey } from './public-keys.ts';
import { type Claims, frozen } from './token-claims.ts';

/** The keys to check with: a set, in which `kid` selects one; keys that are all tried; or secrets. */
export type CheckingKeys =
  | { readonly kind: 'set' | 'keys'; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'secrets'; readonly secrets: readonly string[] };

/** The requirements on every token. */
export interface VerificationOptions {
  readonly algorithms: readonly Algorithm[];
  readonly issuer: readonly string[] | undefined;
  readonly audience: readonly string[] | undefined;
  readonly type: string | undefined;
  readonly requiredClaims: readonly string[];
  /** Ms. */
  readonly clockTolerance: number;
  /** Ms. */
  readonly maxAge: number | undefined;
}

/** Thrown for an invalid token; the message says why, for the client, without revealing anything of the token. */
export class TokenRefused extends Error {}

/** Thrown for a token that is signed with an unknown key. */
export class KeyUnknown extends TokenRefused {
  constructor() {
    super('the key of the token is unknown');
  }
}

/** The most keys tried for a token without `kid`, or with several configured keys. */
const mostTries = 8;

/** Prepared keys. */
export class Verification {
  private readonly options: JWTVerifyOptions;
  private readonly getKey: JWTVerifyGetKey | undefined;
  private readonly secrets: readonly Uint8Array[];

  constructor(keys: CheckingKeys, { issuer, audience, type, ...options }: VerificationOptions) {
    this.options = {
      algorithms: [...options.algorithms],
      // A token without an expiry could never be revoked.
      requiredClaims: ['exp', ...options.requiredClaims],
      clockTolerance: options.clockTolerance / 1_000,
      ...(issuer !== undefined && { issuer: [...issuer] }),
      ...(audience !== undefined && { audience: [...audience] }),
      ...(type !== undefined && { typ: type }),
      ...(options.maxAge !== undefined && { maxTokenAge: options.maxAge / 1_000 }),
    };
    this.secrets = keys.kind === 'secrets' ? keys.secrets.map(secret => Buffer.from(secret)) : [];
    this.getKey = keys.kind === 'secrets' ? undefined : keyOf(keys);
  }

  /** Resolves with the claims; rejects with {@link TokenRefused}, which may be {@link KeyUnknown}. `now`: ms since the epoch. */
  async check(token: string, now: number): Promise<Claims> {
    try {
      // RFC 7515 section 4.1.11: critical extensions, which are not supported.
      if (decodeProtectedHeader(token).crit !== undefined) throw new errors.JOSENotSupported('crit');
      const options = { ...this.options, currentDate: new Date(now) };
      return frozen(await this.payloadOf(token, options));
    } catch (thrown) {
      throw refusalOf(thrown);
    }
  }

  private async payloadOf(token: string, options: JWTVerifyOptions): Promise<Claims> {
    const { getKey } = this;
    if (getKey === undefined)
      return await firstOf(this.secrets, async key => (await jwtVerify(token, key, options)).payload);
    try {
      return (await jwtVerify(token, getKey, options)).payload;
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSMultipleMatchingKeys)) throw thrown;
      const keys = [];
      for await (const key of thrown) if (keys.push(key) >= mostTries) break;
      return await firstOf(keys, async key => (await jwtVerify(token, key, options)).payload);
    }
  }
}

function keyOf({ kind, keys }: Extract<CheckingKeys, { keys: unknown }>): JWTVerifyGetKey {
  const set = createLocalJWKSet({ keys: keys.map(key => ({ ...key })) });
  if (kind === 'set') return set;
  // Keys of a file have no `kid`, so the token's is ignored.
  return ({ kid: _, ...header }) => set(header);
}

/** Resolves with the result of the first key that matches the signature. */
async function firstOf<Key>(keys: readonly Key[], verify: (key: Key) => Promise<Claims>): Promise<Claims> {
  let last: unknown = new errors.JWSSignatureVerificationFailed();
  for (const key of keys) {
    try {
      return await verify(key);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWSSignatureVerificationFailed)) throw thrown;
      last = thrown;
    }
  }
  throw last;
}

function refusalOf(thrown: unknown): TokenRefused {
  if (thrown instanceof errors.JWTExpired) return new TokenRefused('the token has expired');
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    const how = thrown.reason === 'missing' ? 'is missing' : 'is not accepted';
    return new TokenRefused(`the claim ${thrown.claim} ${how}`);
  }
  if (thrown instanceof errors.JWKSNoMatchingKey) return new KeyUnknown();
  if (thrown instanceof errors.JWSSignatureVerificationFailed) {
    return new TokenRefused('the signature does not match');
  }
  if (thrown instanceof errors.JOSEAlgNotAllowed || thrown instanceof errors.JOSENotSupported) {
    return new TokenRefused('the token is of a kind that is not accepted');
  }
  return new TokenRefused('the token is malformed');
}
