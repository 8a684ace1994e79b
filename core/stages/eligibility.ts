// Eligibility: which upstream is given this request, and whether that is the balancer's own choice.
import type { ErrorCode } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import { boundUpstream } from '../request/bound-upstream.ts';
import type { ProxyContext } from '../request/context.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Chain } from './chain.ts';

/** How often a balancer is called for one attempt while its choices are not eligible; then all upstreams are searched. */
export const maxDraws = 4;

/**
 * Returns the upstream to take: a balancer's choice, or one that stands by if all others were tried; undefined: none can be
 * taken. `again`: the balancer should choose once more. `draws`: its choices for this attempt, this one included; from
 * {@link maxDraws} on all upstreams are searched instead. `failure`: why the previous attempt failed.
 */
export function settleChoice(
  chain: Chain,
  ctx: ProxyContext,
  state: RequestState,
  choice: Upstream | undefined,
  draws: number,
  failure: ErrorCode | undefined,
): Upstream | 'again' | undefined {
  if (choice === undefined) return undefined;
  let upstream = choice;
  // A stale connection says nothing about the upstream.
  const wasStale = failure === 'STALE_CONNECTION' || failure === 'STREAM_REFUSED';
  if (!wasStale && needsStandby(state, choice)) upstream = findStandby(chain, ctx, state) ?? choice;
  if (!isPassedOver(state, upstream) && isEligible(chain, ctx, state, upstream)) return upstream;
  return draws < maxDraws ? 'again' : findEligible(chain, ctx, state);
}

/** Says why no upstream of a pool was chosen, with a remedy. */
export function whyNone({ selectUpstream }: Chain, pool: Pool): string {
  if (selectUpstream.taps.length === 0) {
    return `no plugin chooses an upstream for pool ${pool.name}; put a balancer such as roundRobin() into plugins`;
  }
  const remedy = pool.size === 0 ? '; add a server to the config, or with weldr servers add' : '';
  return `no upstream of pool ${pool.name} is available (${pool.describe()})${remedy}`;
}

/** Returns whether this upstream may be given this request. */
function isEligible(
  { eligible }: Chain,
  ctx: ProxyContext,
  { pool }: RequestState,
  upstream: Upstream,
): boolean {
  return upstream.home === pool && (eligible.taps.length === 0 || eligible.call(ctx, upstream) !== false);
}

/**
 * Returns whether the upstream is full while others have room. A request that is bound to it still gets it: elsewhere it
 * would lose what it has there.
 */
function isPassedOver({ pool, rare }: RequestState, upstream: Upstream): boolean {
  return upstream.full && pool.candidates.roomy > 0 && rare?.slots?.get(boundUpstream) !== upstream;
}

/**
 * Returns an eligible upstream that was not tried: one with room before those that are full, then one that stands by; if
 * all were tried, one of these. Starts at a random place, so that the same upstream is not always the first.
 */
function findEligible(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
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

/** Returns whether all upstreams that a balancer can choose were tried, while others stand by. */
function needsStandby({ pool, tried }: RequestState, choice: Upstream): boolean {
  if (tried.length === 0 || pool.standbyCount === 0 || !tried.includes(choice)) return false;
  // There may be thousands of upstreams; a request tries a few.
  if (pool.available.length > tried.length) return false;
  return pool.available.every(upstream => tried.includes(upstream));
}

/**
 * Returns an eligible upstream that stands by and was not tried: one that is left to other Weldrs, otherwise the backup with
 * the fewest requests for its weight.
 */
function findStandby(chain: Chain, ctx: ProxyContext, state: RequestState): Upstream | undefined {
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
