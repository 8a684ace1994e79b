// Eligibility: which upstream may be given this request, if a balancer's own choice cannot be taken as it is.
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
 * Is the upstream full while others have room? A request that is bound to it still gets it, as it would lose what it has
 * there.
 */
export function isPassedOver({ pool, rare }: RequestState, upstream: Upstream): boolean {
  return upstream.full && pool.candidates.roomy > 0 && rare?.slots?.get(boundUpstream) !== upstream;
}

/**
 * Returns an eligible upstream that was not tried: one with room before those that are full, then one that stands by; if
 * all were tried, one of these. Starts at a random place, so that the same upstream is not always the first.
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

/** Were all upstreams that a balancer can choose tried, while others stand by? */
export function needsStandby({ pool, tried }: RequestState, choice: Upstream): boolean {
  if (tried.length === 0 || pool.standbyCount === 0 || !tried.includes(choice)) return false;
  // There may be thousands of upstreams; a request tries a few.
  if (pool.available.length > tried.length) return false;
  return pool.available.every(upstream => tried.includes(upstream));
}

/**
 * Returns an eligible upstream that stands by and was not tried: one that is left to other Weldrs, else the backup with the
 * fewest requests for its weight.
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
