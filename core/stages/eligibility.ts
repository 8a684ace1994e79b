// Eligibility: which upstream may be given this request, where a balancer's own choice cannot be taken as it is.
import type { Upstream } from '../pool/pool.ts';
import type { ProxyContext } from '../request/context.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Chain } from './stages.ts';

/** May this upstream be given this request? */
export function isEligible(
  { eligible }: Chain,
  ctx: ProxyContext,
  { pool }: RequestState,
  upstream: Upstream,
): boolean {
  return upstream.home === pool && (eligible.taps.length === 0 || eligible.call(ctx, upstream) !== false);
}

/** The first eligible upstream which was not tried, a backup last; when all were, the first eligible one. */
export function findEligible(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
  let tried: Upstream | undefined;
  for (const upstream of state.pool.available) {
    const isFresh = !state.tried.includes(upstream);
    if ((!isFresh && tried !== undefined) || !isEligible(chain, ctx, state, upstream)) continue;
    if (isFresh) return upstream;
    tried = upstream;
  }
  return findBackup(chain, ctx, state) ?? tried;
}

/** Has a balancer nobody left to choose but those that were tried, while backups wait? */
export function needsBackup({ pool, tried }: RequestState, choice: Upstream): boolean {
  if (tried.length === 0 || pool.standbyCount === 0 || !tried.includes(choice)) return false;
  // There may be a thousand of them; a request is tried at a few.
  if (pool.available.length > tried.length) return false;
  return pool.available.every(upstream => tried.includes(upstream));
}

/** Of the backups that wait the eligible one with the fewest requests for its weight which was not tried. */
export function findBackup(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
  let best: Upstream | undefined;
  for (const upstream of state.pool.standby) {
    if (state.tried.includes(upstream) || (best !== undefined && loadOf(upstream) >= loadOf(best))) continue;
    if (isEligible(chain, ctx, state, upstream)) best = upstream;
  }
  return best;
}

const loadOf = ({ inFlight, weight }: Upstream): number => (inFlight + 1) / weight;
