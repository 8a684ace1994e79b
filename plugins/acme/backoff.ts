// Backoff: when a failed order is retried.
import { backOff } from '../../core/time/back-off.ts';
import type { AcmeProblem } from './problem.ts';

/** The pause after the first failure, ms. Let's Encrypt allows five failed validations of a name per hour. */
const first = 5 * 60_000;
/** The same if the authority is down or failing, which does not count against its limits. */
const firstAway = 60_000;
/** The same after a rate limit: limits are per hour or per week. */
const firstRateLimited = 3_600_000;
const most = 24 * 3_600_000;
/** The longest pause that an authority can ask for. */
const mostAsked = 30 * 24 * 3_600_000;
/** The random share of a pause, so that many that failed together do not retry together. */
const jitter = 0.25;

/** First pauses by type of problem. */
const starts: ReadonlyMap<string | undefined, number> = new Map([
  ['unreachable', firstAway],
  ['serverInternal', firstAway],
  ['rateLimited', firstRateLimited],
]);

/**
 * Returns how long to wait after `failures` failures in a row, the last of which was `problem`, ms: doubled each time up to a
 * day, and at least as long as the authority asks for, up to 30 days. `random`: from 0 to 1.
 */
export function backoff(
  failures: number,
  problem: Pick<AcmeProblem, 'type' | 'retryAfter'> | undefined,
  random: number,
): number {
  const start = starts.get(problem?.type) ?? first;
  const doubled = backOff(failures, start, most);
  const own = doubled * (1 - jitter * random);
  return Math.round(Math.max(own, Math.min(mostAsked, problem?.retryAfter ?? 0)));
}
