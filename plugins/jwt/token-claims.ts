// TokenClaims: the claims of a valid token (RFC 7519), the checks on them, and their form in header fields.

/** The claims of a token, frozen: many requests may share them. */
export type Claims = Readonly<Record<string, unknown>>;

/** All claims in one field, as base64url of their JSON. */
export const allClaims = '*';

/** Returns the value of a claim, by its name or, if it is nested, by names with dots; undefined: there is none. */
export function claimOf(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** Returns whether a token has all of these scopes (RFC 8693 section 4.2; some providers use `scp`). */
export function hasScopes(claims: Claims, wanted: readonly string[]): boolean {
  if (wanted.length === 0) return true;
  const given = [...scopesIn(claimOf(claims, 'scope')), ...scopesIn(claimOf(claims, 'scp'))];
  return wanted.every(scope => given.includes(scope));
}

function scopesIn(value: unknown): unknown[] {
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value : [];
}

/** The required value of a claim, or a list of accepted ones. */
export type WantedValue = string | number | boolean | readonly (string | number)[];

/**
 * Returns the name of a claim that lacks its required value; undefined: all have theirs. For a claim that is a list, one match
 * is enough.
 */
export function missedClaim(
  claims: Claims,
  wanted: Readonly<Record<string, WantedValue>>,
): string | undefined {
  return Object.keys(wanted).find(name => {
    const value = claimOf(claims, name);
    const given: readonly unknown[] = Array.isArray(value) ? value : [value];
    const accepted: readonly unknown[] = [wanted[name]].flat();
    return !given.some(each => accepted.includes(each));
  });
}

/**
 * Returns a claim as the value of a field: text, numbers and booleans as they are, lists separated by commas, anything else
 * as JSON. Commas, `%` and everything but printable ASCII are percent-encoded, so that no value reads as two. Undefined:
 * there is no such claim.
 */
export function fieldOf(claims: Claims, name: string): string | undefined {
  if (name === allClaims) return Buffer.from(JSON.stringify(claims)).toString('base64url');
  const value = claimOf(claims, name);
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? value.map(encoded).join(',') : encoded(value);
}

function encoded(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const escaped = text.replace(/[^ -$&-+\--~]/gu, character =>
    [...Buffer.from(character)].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return escaped.replace(/^ +| +$/g, spaces => '%20'.repeat(spaces.length));
}

/** Freezes an object deeply and returns it. */
export function frozen<Value>(value: Value): Value {
  if (!isObject(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) frozen(inner);
  return Object.freeze(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
