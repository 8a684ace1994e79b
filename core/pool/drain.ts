// Drain: waits until no worker has a request on a server.
import type { CancelTimer, Clock } from '../time/clock.ts';

/** The drains of one server, one after another. */
export class Drain {
  private readonly clock: Clock;
  /** Workers that still have requests on it; undefined while it is not draining. */
  private busy: Set<number> | undefined;
  private readonly waiting: (() => void)[] = [];
  private cancelLimit: CancelTimer | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Whether all workers are idle. False while it is not draining. */
  get isOver(): boolean {
    return this.busy?.size === 0;
  }

  /** Starts or restarts the wait for `workers`. */
  begin(workers: Iterable<number>): void {
    this.cancelLimit?.();
    this.cancelLimit = undefined;
    this.busy = new Set(workers);
  }

  /** Calls `late` when this drain takes longer than `ms`. */
  limit(ms: number, late: () => void): void {
    this.cancelLimit = this.clock.after(ms, late);
  }

  /** Notes that a worker is idle or gone; returns true when it was the last to wait for. */
  idle(worker: number): boolean {
    return this.busy?.delete(worker) === true && this.busy.size === 0;
  }

  /** Stops waiting for workers. */
  finish(): void {
    this.busy?.clear();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Ends the drain without waiting. */
  cancel(): void {
    this.cancelLimit?.();
    this.cancelLimit = undefined;
    this.finish();
    this.busy = undefined;
  }

  /** Resolves when the drain has finished or was cancelled; at once without a drain. */
  async ended(): Promise<void> {
    if (this.busy === undefined || this.busy.size === 0) return;
    await new Promise<void>(resolve => this.waiting.push(resolve));
  }
}
