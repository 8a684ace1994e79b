// Drain: the wait until no worker has a request on a server any more.
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

  /** Did all workers answer? False while it is not draining. */
  get isOver(): boolean {
    return this.busy?.size === 0;
  }

  /** Begins, or begins anew: `workers` are waited for. */
  begin(workers: Iterable<number>): void {
    this.cancelLimit?.();
    this.cancelLimit = undefined;
    this.busy = new Set(workers);
  }

  /** Calls `late` when the drain that has just begun takes longer than this. */
  limit(ms: number, late: () => void): void {
    this.cancelLimit = this.clock.after(ms, late);
  }

  /** A worker is idle, or gone; true when it was the last one that was waited for. */
  idle(worker: number): boolean {
    return this.busy?.delete(worker) === true && this.busy.size === 0;
  }

  /** Waits for no worker any more. */
  finish(): void {
    this.busy?.clear();
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** The server drains no more, for whatever reason. */
  cancel(): void {
    this.cancelLimit?.();
    this.cancelLimit = undefined;
    this.finish();
    this.busy = undefined;
  }

  /** Resolves when it has finished or was cancelled; at once when there is none. */
  async ended(): Promise<void> {
    if (this.busy === undefined || this.busy.size === 0) return;
    await new Promise<void>(resolve => this.waiting.push(resolve));
  }
}
