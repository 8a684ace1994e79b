// The code that Node gives to errors of the system, of DNS and of Node itself.

/** Returns the code of an error, such as `ENOENT`; empty: it has none. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
