// Deadlines: one coarse timer for all waits of a worker, instead of a timer a request.

/** Something that waits. `deadline` is a time by {@link Deadlines.now}; 0: it waits for nothing. */
export interface Waiting {
  deadline: number;
  /** Kept by {@link Deadlines}. */
  deadlineSlot: number;
  /** The deadline has passed; `deadline` is 0 again. */
  onDeadline(): void;
}

/**
 * Looks at all that waits every `resolution` ms. Setting a deadline is one assignment; it passes at most two resolutions
 * late, and never early.
 */
export class Deadlines {
  /** Monotonic time in ms, as of the last tick or {@link touch}. */
  now = performance.now();
  readonly resolution: number;
  private readonly waiting: Waiting[] = [];
  private readonly timer: NodeJS.Timeout;

  /** `shortest`: the shortest of the timeouts in use, in ms; the resolution is a tenth of it, from 5 to 250 ms. */
  constructor(shortest: number) {
    this.resolution = Math.min(250, Math.max(5, Math.floor(shortest / 10)));
    this.timer = setInterval(() => this.tick(), this.resolution).unref();
  }

  /** Returns the deadline of a wait of `ms` that begins now. */
  in(ms: number): number {
    return this.now + ms + this.resolution;
  }

  /** Reads the clock, so that `now` is exact; returns it. */
  touch(): number {
    this.now = performance.now();
    return this.now;
  }

  add(item: Waiting): void {
    item.deadlineSlot = this.waiting.push(item) - 1;
  }

  remove(item: Waiting): void {
    const { deadlineSlot } = item;
    if (deadlineSlot < 0) return;
    const last = this.waiting.pop();
    if (last !== undefined && last !== item) {
      this.waiting[deadlineSlot] = last;
      last.deadlineSlot = deadlineSlot;
    }
    item.deadlineSlot = -1;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = this.touch();
    // From the end, as items that expire may be removed, and the last one fills their place.
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      const item = this.waiting[i];
      if (item === undefined || item.deadline === 0 || item.deadline > now) continue;
      item.deadline = 0;
      item.onDeadline();
    }
  }
}
