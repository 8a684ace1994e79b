// TargetQuery: the query of a request target.

/** Returns what follows the first `?`, as it was sent; empty: there is no query. */
export function queryOf(target: string): string {
  const at = target.indexOf('?');
  return at < 0 ? '' : target.slice(at + 1);
}
