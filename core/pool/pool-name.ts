// What a pool, a source or a route may be called.

/** 1 to 63 letters, digits, dashes, dots and underscores, the first a letter or a digit. */
export const namePattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/i;

/** May a pool be called this? */
export function isPoolName(name: unknown): name is string {
  return typeof name === 'string' && namePattern.test(name);
}
