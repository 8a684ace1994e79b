// The names that pools, sources and routes may have.

/** 1 to 63 letters, digits, dashes, dots and underscores, the first a letter or a digit. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** Returns whether it is a valid name. */
export function isPoolName(name: unknown): name is string {
  return typeof name === 'string' && namePattern.test(name);
}
