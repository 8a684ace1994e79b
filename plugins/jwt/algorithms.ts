// Algorithms: the signature algorithms of tokens (RFC 7518 section 3.1, RFC 8037), by kind of key.

/** Checked with a public key. */
export const asymmetric = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** Checked with a shared secret. */
export const symmetric = ['HS256', 'HS384', 'HS512'] as const;

export type Algorithm = (typeof asymmetric)[number] | (typeof symmetric)[number];

/** The shortest secret, characters: as long as the hash of HS256 (RFC 7518 section 3.2). */
export const shortestSecret = 32;

const isSymmetric = (name: Algorithm): boolean => symmetric.some(each => each === name);

/**
 * Returns the allowed algorithms. A public key never serves as a secret, whatever a token says. For a wrong choice, returns
 * the mistake as text.
 */
export function algorithmsFor(
  kind: 'secret' | 'public',
  chosen: readonly Algorithm[] | undefined,
): readonly Algorithm[] | string {
  const possible: readonly Algorithm[] = kind === 'secret' ? symmetric : asymmetric;
  if (chosen === undefined) return possible;
  const wrong = chosen.find(name => isSymmetric(name) !== (kind === 'secret'));
  if (wrong === undefined) return chosen;
  return kind === 'secret'
    ? `${wrong} needs a public key, in key or jwks: with a secret it is one of ${symmetric.join(', ')}`
    : `${wrong} needs a secret: with public keys it is one of ${asymmetric.join(', ')}`;
}
