// Flapping: keeps a node that wins and loses the leadership again and again away for a while, longer each time.
import type { Clock } from '../../core/time/clock.ts';

/** A node that loses the leadership this often within this time, ms, flaps. */
const most = 3;
const within = 60_000;
/** How long it stays away the first time, and at most, ms; each time twice as long. */
const firstStay = 10_000;
const longestStay = 300_000;
/** After this time without a loss the count starts again, ms. */
const forgottenAfter = 600_000;

/** The losses of one node. */
export class Flapping {
  private readonly clock: Clock;
  /** The times of the losses, monotonic ms. */
  private losses: number[] = [];
  private stay = 0;
  private awayUntil = 0;
  private last = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /**
   * Counts an unintended loss. Without `hasRival`, another node that may lead, staying away would help nothing. `explained`:
   * the cause is known and will recur, so one loss is enough. Returns how long this node stays away from now, ms; 0: it flaps, but
   * continues; undefined: it does not flap.
   */
  lost(hasRival: boolean, { explained = false } = {}): number | undefined {
    const now = this.clock.monotonic();
    if (now - this.last > forgottenAfter) this.stay = 0;
    this.last = now;
    this.losses = [...this.losses.filter(at => now - at < within), now];
    if (this.losses.length < most && !explained) return undefined;
    this.losses = [];
    if (!hasRival) return 0;
    this.stay = Math.min(longestStay, this.stay === 0 ? firstStay : 2 * this.stay);
    this.awayUntil = now + this.stay;
    return this.stay;
  }

  /** How much longer this node stays away, ms; 0: it does not. */
  get left(): number {
    return Math.max(0, this.awayUntil - this.clock.monotonic());
  }

  /** Takes part again, because no other node can lead. */
  end(): void {
    this.awayUntil = 0;
  }
}
