// RetryBudget: how many retries the traffic allows, so that failures do not multiply the load on a failing pool.
import { SlidingCount } from '../../core/bounded/sliding-count.ts';

const windowMs = 10_000;

/**
 * Allows retries up to a share of the requests of the last 10 s, and always a minimum per second over the same 10 s: with
 * little traffic, a share alone would allow none. (Finagle's RetryBudget works the same way.)
 */
export class RetryBudget {
  private readonly share: number;
  private readonly minimum: number;
  private readonly requests = new SlidingCount(windowMs);
  private readonly retries = new SlidingCount(windowMs);

  /**
   * @param share the share of requests that may be retried, from 0 to 1
   * @param perSecond retries per second that are always allowed
   */
  constructor(share: number, perSecond: number) {
    this.share = share;
    this.minimum = (perSecond * windowMs) / 1000;
  }

  /** Counts a request; `now` is in ms of a monotonic clock. */
  request(now: number): void {
    this.requests.add(now);
  }

  /** Takes one retry from the budget; false: none is left. */
  withdraw(now: number): boolean {
    if (!this.allows(now)) return false;
    this.retries.add(now);
    return true;
  }

  /** Whether a retry is left. */
  allows(now: number): boolean {
    const allowed = Math.max(this.minimum, this.share * this.requests.count(now));
    return this.retries.count(now) + 1 <= allowed;
  }
}
