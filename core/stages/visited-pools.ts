// Visited pools: the pools that a request has entered. Most requests enter one, and have no list.
import type { Pool } from '../pool/pool.ts';
import type { RequestState } from '../request/request-state.ts';

/** Returns whether the request has entered this pool, now or before. */
export function wasIn(state: RequestState, pool: Pool): boolean {
  return state.pool === pool || state.rare?.pools?.includes(pool) === true;
}

/** Notes that a request that was in another pool enters this one. Returns whether it does so for the first time. */
export function enters(state: RequestState, pool: Pool): boolean {
  const rare = state.ensureRare();
  rare.pools ??= [state.pool];
  if (rare.pools.includes(pool)) return false;
  rare.pools.push(pool);
  return true;
}
