// Deadlines: one coarse timer for all waits of a worker, instead of a timer per request.

/** Something that waits. `deadline` is a time by {@link Deadlines.now}, or 0 if it waits for nothing. */
export interface Waiting {
  deadline: number;
  /** Set by {@link Deadlines}. */
  deadlineSlot: number;
  /** The deadline has passed; `deadline` is 0 again. */
  onDeadline(): void;
}

/**
 * Checks all deadlines every `resolution` ms. Setting a deadline is a single assignment. It fires at most two resolutions late,
 * and never early.
 */
export class Deadlines {
  /** Monotonic time in ms, as of the last tick or {@link touch}. */
  now = performance.now();
  readonly resolution: number;
  private readonly waiting: Waiting[] = [];
  private readonly timer: NodeJS.Timeout;

  /** `shortest`: the shortest timeout in use, ms. The resolution is a tenth of it, between 5 and 250 ms. */
  constructor(shortest: number) {
    this.resolution = Math.min(250, Math.max(5, Math.floor(shortest / 10)));
    this.timer = setInterval(() => this.tick(), this.resolution).unref();
  }

  /** Returns the deadline of a wait of `ms` that starts now. */
  in(ms: number): number {
    return this.now + ms + this.resolution;
  }

  /** Reads the clock to make `now` exact, and returns it. */
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
    // From the end, because an item that expires may be removed, and the last one takes its place.
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      const item = this.waiting[i];
      if (item === undefined || item.deadline === 0 || item.deadline > now) continue;
      item.deadline = 0;
      item.onDeadline();
    }
  }
}
