// Verification: checks the signature and the claims of one token, by the library jose.
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

/** What signatures are checked with: a set of keys, in which a `kid` says which, keys that are all tried, or secrets. */
export type CheckingKeys =
  | { readonly kind: 'set' | 'keys'; readonly keys: readonly PublicKey[] }
  | { readonly kind: 'secrets'; readonly secrets: readonly string[] };

/** What is asked of every token. */
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

/** A token that is not valid; the message says why, for the client, and tells nothing of it. */
export class TokenRefused extends Error {}

/** A token that is signed with a key which is not there. */
export class KeyUnknown extends TokenRefused {
  constructor() {
    super('the key of the token is not known');
  }
}

/** Keys that a token without `kid`, or a text of several keys, is tried with. */
const mostTries = 8;

/** Keys, made ready. */
export class Verification {
  private readonly options: JWTVerifyOptions;
  private readonly getKey: JWTVerifyGetKey | undefined;
  private readonly secrets: readonly Uint8Array[];

  constructor(keys: CheckingKeys, { issuer, audience, type, ...options }: VerificationOptions) {
    this.options = {
      algorithms: [...options.algorithms],
      // A token without an end could never be taken back.
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
      // RFC 7515 section 4.1.11: what must be understood, and is not.
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
  // Keys of a file have no `kid`, whatever a token says of it.
  return ({ kid: _, ...header }) => set(header);
}

/** What the first key leads to that the signature is of. */
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
    const how = thrown.reason === 'missing' ? 'is missing' : 'is not as it has to be';
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
