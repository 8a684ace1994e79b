// LookLoop: polls something, one look at a time, and sooner when there is a reason.
import type { CancelTimer, Clock } from './clock.ts';

/** A loop around `look`, which returns the time until the next look in ms, and never rejects. */
export class LookLoop {
  private readonly clock: Clock;
  private readonly look: () => Promise<number>;
  private cancelTimer: CancelTimer | undefined;
  /** When the timer is due, in ms of the monotonic clock. */
  private due = Number.POSITIVE_INFINITY;
  private isLooking = false;
  /** During a look: how soon another one was asked for, ms. */
  private wished = Number.POSITIVE_INFINITY;
  private isClosed = false;

  constructor(clock: Clock, look: () => Promise<number>) {
    this.clock = clock;
    this.look = look;
  }

  /** Looks for the first time; resolves when that look is over. */
  async start(): Promise<void> {
    await this.run();
  }

  /** Looks again within `ms`; during a look, that long after it. */
  soon(ms: number): void {
    if (this.isLooking) this.wished = Math.min(this.wished, ms);
    else if (this.clock.monotonic() + ms < this.due) this.schedule(ms);
  }

  /** Stops: no further look begins. */
  close(): void {
    this.isClosed = true;
    this.cancelTimer?.();
  }

  private async run(): Promise<void> {
    if (this.isClosed) return;
    this.isLooking = true;
    this.due = Number.POSITIVE_INFINITY;
    const ms = await this.look();
    this.isLooking = false;
    const next = Math.min(ms, this.wished);
    this.wished = Number.POSITIVE_INFINITY;
    this.schedule(next);
  }

  private schedule(ms: number): void {
    this.cancelTimer?.();
    if (this.isClosed) return;
    this.due = this.clock.monotonic() + ms;
    this.cancelTimer = this.clock.after(ms, () => void this.run());
  }
}
