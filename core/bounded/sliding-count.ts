// SlidingCount: counts recent events, at the same cost for any number of them.

const slots = 10;

/** Counts events of the last `windowMs`, exact to a tenth of it: the oldest tenth goes at once. */
export class SlidingCount {
  private readonly slotMs: number;
  private readonly counts: number[] = new Array<number>(slots).fill(0);
  private total = 0;
  /** The slot that events go to, counted from time 0. */
  private newest = 0;

  constructor(windowMs: number) {
    this.slotMs = windowMs / slots;
  }

  /** Counts one event. `now`: ms of a monotonic clock; a time before the latest counts as the latest. */
  add(now: number): void {
    this.moveTo(now);
    const slot = this.newest % slots;
    this.counts[slot] = (this.counts[slot] ?? 0) + 1;
    this.total++;
  }

  /** Events within the window that ends at `now`. */
  count(now: number): number {
    this.moveTo(now);
    return this.total;
  }

  private moveTo(now: number): void {
    const current = Math.floor(now / this.slotMs);
    if (current <= this.newest) return;
    const gone = Math.min(slots, current - this.newest);
    this.newest = current;
    for (let i = 0; i < gone; i++) {
      const slot = (current - i) % slots;
      this.total -= this.counts[slot] ?? 0;
      this.counts[slot] = 0;
    }
  }
}
