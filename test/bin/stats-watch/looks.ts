// Looks for tests, of what matters in each.

import type { Counts, ServerCounts } from '../../../bin/stats-watch/counts.ts';
import { type Look, lookAt } from '../../../bin/stats-watch/look.ts';

/** Counts at a moment, in seconds. Without sums they are those of the servers. */
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

/** What is seen when a second ago all was zero. */
export function lookOf(servers: readonly (Partial<ServerCounts> & { readonly id: string })[]): Look {
  const zeros = servers.map(({ id, pool }) => (pool === undefined ? { id } : { id, pool }));
  return lookAt(countsAt(1, servers), countsAt(0, zeros));
}
