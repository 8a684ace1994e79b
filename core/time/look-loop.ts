// LookLoop: looks at something again and again, one look at a time, and sooner when there is a reason.
import type { CancelTimer, Clock } from './clock.ts';

/** A loop around `look`, which answers in how many ms it wants to be called again, and never rejects. */
export class LookLoop {
  private readonly clock: Clock;
  private readonly look: () => Promise<number>;
  private cancelTimer: CancelTimer | undefined;
  /** When the timer is due, in ms of the monotonic clock. */
  private due = Number.POSITIVE_INFINITY;
  private isLooking = false;
  /** While a look is under way: how soon another one was wished for. */
  private wished = Number.POSITIVE_INFINITY;
  private isClosed = false;

  constructor(clock: Clock, look: () => Promise<number>) {
    this.clock = clock;
    this.look = look;
  }

  /** The first look; resolves when it is over. */
  async start(): Promise<void> {
    await this.run();
  }

  /** Has the next look be in `ms` at the latest; while one is under way, that long after it. */
  soon(ms: number): void {
    if (this.isLooking) this.wished = Math.min(this.wished, ms);
    else if (this.clock.monotonic() + ms < this.due) this.schedule(ms);
  }

  /** No look begins any more. */
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
