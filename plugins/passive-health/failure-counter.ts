// FailureCounter: decides whether a worker has seen enough failures of an upstream to complain.
import { SlidingCount } from '../../core/bounded/sliding-count.ts';
import type { Upstream } from '../../core/pool/pool.ts';

/** When a worker complains. */
export interface FailureLimits {
  /** Failures in a row. */
  readonly failures: number;
  /** Share of failures, from 0 to 1, among at least `minRequests` attempts within `window` ms. */
  readonly errorRate: number;
  readonly minRequests: number;
  readonly window: number;
}

interface Counts {
  consecutive: number;
  readonly attempts: SlidingCount;
  readonly failures: SlidingCount;
}

/** How long there is no further complaint about the same upstream, ms: the manager may have had reasons to keep it. */
const quietMs = 1_000;

/** Counts the attempts of one worker. An upstream without failures costs nothing: counting begins with the first failure. */
export class FailureCounter {
  private readonly limits: FailureLimits;
  private readonly counts = new Map<Upstream, Counts>();
  private readonly quietUntil = new Map<Upstream, number>();

  constructor(limits: FailureLimits) {
    this.limits = limits;
  }

  /** Counts a success; `now` is in ms of a monotonic clock. */
  succeeded(upstream: Upstream, now: number): void {
    const counts = this.counts.get(upstream);
    if (counts === undefined) return;
    counts.consecutive = 0;
    counts.attempts.add(now);
    if (counts.failures.count(now) === 0) this.counts.delete(upstream);
  }

  /** Counts a failure and returns a complaint if a limit is reached. */
  failed(upstream: Upstream, now: number): string | undefined {
    if (now < (this.quietUntil.get(upstream) ?? 0)) return undefined;
    const counts = this.countsOf(upstream);
    counts.consecutive++;
    counts.attempts.add(now);
    counts.failures.add(now);
    const complaint = this.complaint(counts, now);
    if (complaint === undefined) return undefined;
    this.forget(upstream);
    this.quietUntil.set(upstream, now + quietMs);
    return complaint;
  }

  /** Forgets the counts of an upstream that is gone or ejected. */
  forget(upstream: Upstream): void {
    this.counts.delete(upstream);
    this.quietUntil.delete(upstream);
  }

  private complaint({ consecutive, attempts, failures }: Counts, now: number): string | undefined {
    const { limits } = this;
    if (consecutive >= limits.failures) return `${consecutive} failures in a row`;
    const all = attempts.count(now);
    const failed = failures.count(now);
    if (all < limits.minRequests || failed < limits.errorRate * all) return undefined;
    return `${failed} of ${all} requests failed within ${limits.window} ms`;
  }

  private countsOf(upstream: Upstream): Counts {
    const known = this.counts.get(upstream);
    if (known !== undefined) return known;
    const { window } = this.limits;
    const made = {
      consecutive: 0,
      attempts: new SlidingCount(window),
      failures: new SlidingCount(window),
    };
    this.counts.set(upstream, made);
    return made;
  }
}
