// Announcements: repeats the announcement of an address while it is held, densely at first.
import type { CancelTimer } from '../../core/time/clock.ts';

/** The times of the first ones, ms after the address arrived: neighbours may miss one, and switches learn from them. */
const first: readonly number[] = [0, 100, 500, 1000, 2000, 3500, 5000];
/** The interval of later ones, ms, after which a client that was unplugged or a switch that lost its table has heard one. */
const every = { inFirstMinute: 2000, later: 10_000 } as const;
const firstMinute = 60_000;

/** Returns when the announcement after the one at `age` is due; both ms after the address arrived. */
export function nextAnnouncement(age: number): number {
  const next = first.find(ms => ms > age);
  return next ?? age + (age < firstMinute ? every.inFirstMinute : every.later);
}

/** Calls `announce` at these times until `stop`. */
export class Announcements {
  private readonly announce: () => void;
  private readonly after: (ms: number, fn: () => void) => CancelTimer;
  private cancel: CancelTimer | undefined;

  constructor(announce: () => void, after: (ms: number, fn: () => void) => CancelTimer) {
    this.announce = announce;
    this.after = after;
  }

  /** Begins; makes the first announcement at once. */
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
