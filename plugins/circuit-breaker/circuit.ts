// Circuit: closed while requests succeed, open when too many fail, half-open while a few trials test whether they succeed again.
import { SlidingCount } from '../../core/bounded/sliding-count.ts';

/** When the circuit opens and closes again. */
export interface CircuitLimits {
  /** The share of bad ends, from 0 to 1, among at least `minRequests` within `window` ms. */
  readonly errorRate: number;
  readonly minRequests: number;
  readonly window: number;
  /** How long it stays open, ms. */
  readonly rest: number;
  /** Trials in a row that must succeed, and how many may run at once. */
  readonly passes: number;
}

/** What happens to a request. */
export type Admission = 'passes' | 'trial' | 'refused';

/** What a request says about the service behind the circuit; `nothing`: the end was caused by the client or a plugin. */
export type End = 'good' | 'bad' | 'nothing';

/** A change of state; undefined: none. */
export type Change = 'opened' | 'closed' | undefined;

/** The state of one circuit. Times are ms of a monotonic clock. */
export class Circuit {
  private readonly limits: CircuitLimits;
  private all: SlidingCount;
  private bad: SlidingCount;
  private closedSince = 0;
  /** Undefined while it is closed. */
  private openUntil: number | undefined = undefined;
  private trials = 0;
  private passed = 0;

  constructor(limits: CircuitLimits) {
    this.limits = limits;
    this.all = new SlidingCount(limits.window);
    this.bad = new SlidingCount(limits.window);
  }

  get isClosed(): boolean {
    return this.openUntil === undefined;
  }

  /** How long it stays open, ms; 0: it is closed or half-open. */
  restLeft(now: number): number {
    return Math.max(0, (this.openUntil ?? now) - now);
  }

  /** Returns what {@link admit} would, without counting anything. */
  outlook(now: number): Admission {
    if (this.openUntil === undefined) return 'passes';
    return now >= this.openUntil && this.trials < this.limits.passes ? 'trial' : 'refused';
  }

  /** Admits a request or not. Each trial must be ended by {@link ended}. */
  admit(now: number): Admission {
    const admission = this.outlook(now);
    if (admission === 'trial') this.trials++;
    return admission;
  }

  /** Counts a request that passed and has ended; it was admitted at `startedAt`. */
  counted(end: End, startedAt: number, now: number): Change {
    // A request from before the circuit closed says nothing about the service now.
    if (end === 'nothing' || this.openUntil !== undefined || startedAt < this.closedSince) return undefined;
    this.all.add(now);
    if (end === 'good') return undefined;
    this.bad.add(now);
    const { errorRate, minRequests } = this.limits;
    const all = this.all.count(now);
    if (all < minRequests || this.bad.count(now) < errorRate * all) return undefined;
    return this.open(now);
  }

  /** Ends a trial. */
  ended(end: End, now: number): Change {
    this.trials--;
    // An earlier trial has already decided.
    if (this.openUntil === undefined || now < this.openUntil) return undefined;
    if (end === 'bad') return this.open(now);
    if (end === 'good') this.passed++;
    return this.passed >= this.limits.passes ? this.close(now) : undefined;
  }

  /** What opened it, for operators. */
  describe(now: number): string {
    return `${this.bad.count(now)} of ${this.all.count(now)} requests within ${this.limits.window} ms`;
  }

  private open(now: number): Change {
    const wasClosed = this.openUntil === undefined;
    this.openUntil = now + this.limits.rest;
    this.passed = 0;
    return wasClosed ? 'opened' : undefined;
  }

  private close(now: number): Change {
    this.openUntil = undefined;
    this.closedSince = now;
    this.passed = 0;
    this.all = new SlidingCount(this.limits.window);
    this.bad = new SlidingCount(this.limits.window);
    return 'closed';
  }
}
