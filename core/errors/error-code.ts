// ErrorCode: the code that Node gives an error of the system, of DNS or of its own.

/** Returns a code such as `ENOENT`; empty: there is none. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
}
