// What a pool, a source or a route may be called.

/** 1 to 63 letters, digits, dashes, dots and underscores, the first a letter or a digit. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** May a pool be called this? */
export function isPoolName(name: unknown): name is string {
  return typeof name === 'string' && namePattern.test(name);
}
