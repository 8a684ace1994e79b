// Circuit: closed while requests go well, open when too many do not, half-open while a few try whether they do again.
import { SlidingCount } from '../../core/bounded/sliding-count.ts';

/** When it opens, and closes again. */
export interface CircuitLimits {
  /** Share of bad ends, from 0 to 1, among at least `minRequests` within `window` ms. */
  readonly errorRate: number;
  readonly minRequests: number;
  readonly window: number;
  /** How long it is open, ms. */
  readonly rest: number;
  /** Trials in a row that must go well; as many may be under way at once. */
  readonly passes: number;
}

/** What becomes of a request. */
export type Admission = 'passes' | 'trial' | 'refused';

/** What a request says of those behind the circuit; `nothing`: it was its client's doing, or somebody else's. */
export type End = 'good' | 'bad' | 'nothing';

/** What has changed: `opened`, `closed`; undefined: nothing. */
export type Change = 'opened' | 'closed' | undefined;

/** Times are ms of a monotonic clock. */
export class Circuit {
  private readonly limits: CircuitLimits;
  private all: SlidingCount;
  private bad: SlidingCount;
  private closedSince = 0;
  /** Undefined: it is closed. */
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

  /** What would become of a request now; nothing is counted. */
  outlook(now: number): Admission {
    if (this.openUntil === undefined) return 'passes';
    return now >= this.openUntil && this.trials < this.limits.passes ? 'trial' : 'refused';
  }

  /** Lets a request through or not. Each trial is to be ended by {@link ended}. */
  admit(now: number): Admission {
    const admission = this.outlook(now);
    if (admission === 'trial') this.trials++;
    return admission;
  }

  /** A request that passed has ended; it was admitted at `startedAt`. */
  counted(end: End, startedAt: number, now: number): Change {
    // What had begun before it closed says nothing about how it is now.
    if (end === 'nothing' || this.openUntil !== undefined || startedAt < this.closedSince) return undefined;
    this.all.add(now);
    if (end === 'good') return undefined;
    this.bad.add(now);
    const { errorRate, minRequests } = this.limits;
    const all = this.all.count(now);
    if (all < minRequests || this.bad.count(now) < errorRate * all) return undefined;
    return this.open(now);
  }

  /** A trial has ended. */
  ended(end: End, now: number): Change {
    this.trials--;
    // The trial before this one has decided.
    if (this.openUntil === undefined || now < this.openUntil) return undefined;
    if (end === 'bad') return this.open(now);
    if (end === 'good') this.passed++;
    return this.passed >= this.limits.passes ? this.close(now) : undefined;
  }

  /** What made it open: shown to operators. */
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
