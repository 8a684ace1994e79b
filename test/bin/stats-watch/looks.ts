// Looks for tests, with defaults for what does not matter.

import type { Counts, ServerCounts } from '../../../bin/stats-watch/counts.ts';
import { type Look, lookAt } from '../../../bin/stats-watch/look.ts';

/** Returns counts at a moment, in seconds; the sums default to those of the servers. */
export function countsAt(
  second: number,
  servers: readonly (Partial<ServerCounts> & { readonly id: string })[],
  sums?: { readonly success: number; readonly failed: number },
): Counts {
  const complete = servers.map(server => ({
    pool: 'default',
    state: 'active',
    reason: 'new',
    success: 0,
    failed: 0,
    inFlight: 0,
    ...server,
  }));
  const sum = sums ?? {
    success: complete.reduce((total, { success }) => total + success, 0),
    failed: complete.reduce((total, { failed }) => total + failed, 0),
  };
  return { atMs: second * 1000, client: sum, server: sum, servers: complete };
}

/** Returns the look one second after all counts were zero. */
export function lookOf(servers: readonly (Partial<ServerCounts> & { readonly id: string })[]): Look {
  const zeros = servers.map(({ id, pool }) => (pool === undefined ? { id } : { id, pool }));
  return lookAt(countsAt(1, servers), countsAt(0, zeros));
}
