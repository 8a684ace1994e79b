// LeadershipNotices: passes the state of the leadership to its listeners, in order.
import type { Logger } from 'pino';
import { toError } from '../../core/errors.ts';

/** The notices of one election. */
export class LeadershipNotices {
  private readonly deliver: () => Promise<void>;
  private readonly log: Logger;
  private last: Promise<void> = Promise.resolve();
  private isDue = false;

  /** `deliver` passes on the current state. */
  constructor(deliver: () => Promise<void>, log: Logger) {
    this.deliver = deliver;
    this.log = log;
  }

  /** Delivers the latest state after the previous notice; further calls meanwhile are merged into one notice. */
  soon(): void {
    if (this.isDue) return;
    this.isDue = true;
    this.last = this.last.then(async () => {
      this.isDue = false;
      await this.now();
    });
  }

  /** Delivers at once: a loss must not wait behind a tap that hangs. */
  async now(): Promise<void> {
    try {
      await this.deliver();
    } catch (thrown) {
      this.log.error({ err: toError(thrown) }, 'a listener of the election failed');
    }
  }
}
