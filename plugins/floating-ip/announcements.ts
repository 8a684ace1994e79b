// Announcements: tells the neighbours where an address is for as long as it is held, densely at first.
import type { CancelTimer } from '../../core/time/clock.ts';

/** From the moment when the address is here: neighbours may miss one, and switches learn from them. */
const first: readonly number[] = [0, 100, 500, 1000, 2000, 3500, 5000];
/** A client that was unplugged meanwhile, or a switch that lost its table, waits no longer than this. */
const every = { inFirstMinute: 2000, later: 10_000 } as const;
const firstMinute = 60_000;

/** When the announcement after the one at `age` is due, ms since the address is here. */
export function nextAnnouncement(age: number): number {
  const next = first.find(ms => ms > age);
  return next ?? age + (age < firstMinute ? every.inFirstMinute : every.later);
}

/** Calls `announce` at these times until it is stopped. */
export class Announcements {
  private readonly announce: () => void;
  private readonly after: (ms: number, fn: () => void) => CancelTimer;
  private cancel: CancelTimer | undefined;

  constructor(announce: () => void, after: (ms: number, fn: () => void) => CancelTimer) {
    this.announce = announce;
    this.after = after;
  }

  /** The first one comes at once. */
  start(): void {
    this.stop();
    this.announce();
    this.wait(0);
  }

  stop(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private wait(age: number): void {
    const next = nextAnnouncement(age);
    this.cancel = this.after(next - age, () => {
      this.announce();
      this.wait(next);
    });
  }
}
