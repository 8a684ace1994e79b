// Wakeup: lets a loop wait for a time, or until something happens.
import type { Clock } from '../../core/time/clock.ts';

/** The wakeup of one loop. */
export class Wakeup {
  private readonly clock: Clock;
  private isDue = false;
  private isClosed = false;
  private endWait: (() => void) | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Resolves after `ms`, or as soon as `ring` has been called since the last wait. */
  async wait(ms: number): Promise<void> {
    if (!this.isDue && !this.isClosed) {
      await new Promise<void>(resolve => {
        const cancel = this.clock.after(ms, resolve);
        this.endWait = () => {
          cancel();
          resolve();
        };
      });
    }
    this.isDue = false;
  }

  /** Something happened that the loop has to look at. */
  ring(): void {
    this.isDue = true;
    this.endWait?.();
  }

  /** Ends the wait, and all later ones at once. */
  close(): void {
    this.isClosed = true;
    this.ring();
  }
}
