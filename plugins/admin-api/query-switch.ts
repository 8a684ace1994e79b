// Switches in a query: `?force`, `?wait=true`, `?dryRun=0`.
import type { AdminRequest } from '../../core/plugin/admin.ts';

/** Returns whether a switch such as `?force` is on. */
export function isSet({ query }: Pick<AdminRequest, 'query'>, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}
