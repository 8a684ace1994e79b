// Flapping: a node that wins the leadership and loses it again and again stays away for a while, longer each time.
import type { Clock } from '../../core/time/clock.ts';

/** So many losses within this time are flapping, ms. */
const most = 3;
const within = 60_000;
/** How long it stays away the first time, and at most, ms; doubled from one to the next. */
const firstStay = 10_000;
const longestStay = 300_000;
/** Without a loss for this long it begins anew, ms. */
const forgottenAfter = 600_000;

/** The losses of one node. */
export class Flapping {
  private readonly clock: Clock;
  /** When, monotonic ms. */
  private losses: number[] = [];
  private stay = 0;
  private awayUntil = 0;
  private last = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * The leadership was lost though nobody wanted that. `othersThere`: may somebody else lead? Without, staying away would
   * help nobody. `explained`: it is known to come again, so once is enough. Returns for how long this node stays away from now, ms; 0: it goes on; undefined: it does not flap.
   */
  lost(othersThere: boolean, { explained = false } = {}): number | undefined {
    const now = this.clock.monotonic();
    if (now - this.last > forgottenAfter) this.stay = 0;
    this.last = now;
    this.losses = [...this.losses.filter(at => now - at < within), now];
    if (this.losses.length < most && !explained) return undefined;
    this.losses = [];
    if (!othersThere) return 0;
    this.stay = Math.min(longestStay, this.stay === 0 ? firstStay : 2 * this.stay);
    this.awayUntil = now + this.stay;
    return this.stay;
  }

  /** For how long this node stays away yet, ms; 0: it does not. */
  get left(): number {
    return Math.max(0, this.awayUntil - this.clock.monotonic());
  }

  /** There is nobody else any more: it takes part again. */
  end(): void {
    this.awayUntil = 0;
  }
}
