// Eligibility: which upstream may be given this request, where a balancer's own choice cannot be taken as it is.
import type { Upstream } from '../pool/pool.ts';
import { boundUpstream } from '../request/bound-upstream.ts';
import type { ProxyContext } from '../request/context.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Chain } from './chain.ts';

/** May this upstream be given this request? */
export function isEligible(
  { eligible }: Chain,
  ctx: ProxyContext,
  { pool }: RequestState,
  upstream: Upstream,
): boolean {
  return upstream.home === pool && (eligible.taps.length === 0 || eligible.call(ctx, upstream) !== false);
}

/**
 * One which is full, while others are free, is passed over; not for a request that is bound to it, and would lose what it has there.
 */
export function isPassedOver({ pool, rare }: RequestState, upstream: Upstream): boolean {
  return upstream.full && pool.candidates.roomy > 0 && rare?.slots?.get(boundUpstream) !== upstream;
}

/**
 * An eligible upstream which was not tried, one with room before those that are full, then one that stands by; when all were tried,
 * one of these. Looks round from where chance says, so that the same one is not always the first.
 */
export function findEligible(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
  const { candidates } = state.pool;
  const { roomy, ready } = candidates;
  let tried: Upstream | undefined;
  const first = Math.random();
  for (let n = 0; n < ready; n++) {
    const upstream = candidates.at(
      n < roomy ? around(n, first, roomy) : roomy + around(n - roomy, first, ready - roomy),
    );
    if (upstream === undefined) continue;
    const isFresh = !state.tried.includes(upstream);
    if ((!isFresh && tried !== undefined) || !isEligible(chain, ctx, state, upstream)) continue;
    if (isFresh) return upstream;
    tried = upstream;
  }
  return findStandby(chain, ctx, state) ?? tried;
}

const around = (n: number, first: number, length: number): number =>
  (n + Math.floor(first * length)) % length;

/** Has a balancer nobody left to choose but those that were tried, while others stand by? */
export function needsStandby({ pool, tried }: RequestState, choice: Upstream): boolean {
  if (tried.length === 0 || pool.standbyCount === 0 || !tried.includes(choice)) return false;
  // There may be a thousand of them; a request is tried at a few.
  if (pool.available.length > tried.length) return false;
  return pool.available.every(upstream => tried.includes(upstream));
}

/**
 * Of those that stand by an eligible one which was not tried: any of those that are left to other Weldrs; else of the backups the one
 * with the fewest requests for its weight.
 */
export function findStandby(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
  let best: Upstream | undefined;
  for (const upstream of state.pool.standby) {
    if (upstream.backup && best?.backup === false) break;
    if (state.tried.includes(upstream) || (best !== undefined && loadOf(upstream) >= loadOf(best))) continue;
    if (!isEligible(chain, ctx, state, upstream)) continue;
    best = upstream;
    if (upstream.apart && !upstream.full) break;
  }
  return best;
}

const loadOf = ({ inFlight, weight }: Upstream): number => (inFlight + 1) / weight;
