// CheckSchedule: runs checks when they are due, with a bound on how many run at once. A binary heap orders them by time, so ten
// thousand checks cost one timer and O(log n) each.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

/** Something that is run repeatedly, never twice at once. */
export interface Scheduled {
  /** Runs it and resolves with the monotonic time at which it is due next. Must not reject. */
  run(): Promise<number>;
}

interface Item {
  readonly what: Scheduled;
  due: number;
  /** Index in the heap; -1: not waiting, because it runs or was removed. */
  at: number;
}

/** Runs what is due, at most `limit` at once; the others wait for their turn. */
export class CheckSchedule {
  private readonly clock: Clock;
  private readonly limit: number;
  private readonly items = new Map<Scheduled, Item>();
  private readonly heap: Item[] = [];
  private running = 0;
  private timer: { due: number; cancel: CancelTimer } | undefined;
  private closed = false;

  constructor(clock: Clock, limit: number) {
    this.clock = clock;
    this.limit = limit;
  }

  /** The number of items that wait or run. */
  get size(): number {
    return this.items.size;
  }

  /** Schedules `what` for a monotonic time instead of its current one. A running item keeps the time that its run returns. */
  at(due: number, what: Scheduled): void {
    if (this.closed) return;
    const known = this.items.get(what);
    if (known === undefined) {
      const item: Item = { what, due, at: -1 };
      this.items.set(what, item);
      this.push(item);
    } else if (known.at >= 0) {
      this.take(known);
      known.due = due;
      this.push(known);
    }
    this.arm();
  }

  /** Forgets it; a run that has begun continues. */
  remove(what: Scheduled): void {
    const item = this.items.get(what);
    if (item === undefined) return;
    this.items.delete(what);
    if (item.at >= 0) this.take(item);
    this.arm();
  }

  close(): void {
    this.closed = true;
    this.items.clear();
    this.heap.length = 0;
    this.timer?.cancel();
    this.timer = undefined;
  }

  private runDue(): void {
    const now = this.clock.monotonic();
    for (let next = this.heap[0]; next !== undefined && next.due <= now; next = this.heap[0]) {
      if (this.running >= this.limit) return;
      this.take(next);
      void this.runOne(next);
    }
    this.arm();
  }

  private async runOne(item: Item): Promise<void> {
    this.running++;
    const due = await item.what.run();
    this.running--;
    if (this.items.get(item.what) === item) {
      item.due = due;
      this.push(item);
    }
    if (!this.closed) this.runDue();
  }

  private arm(): void {
    const next = this.heap[0];
    if (next === undefined) {
      this.timer?.cancel();
      this.timer = undefined;
    }
    if (next === undefined || this.running >= this.limit) return;
    if (this.timer !== undefined && this.timer.due <= next.due) return;
    this.timer?.cancel();
    const wait = Math.max(0, Math.ceil(next.due - this.clock.monotonic()));
    const cancel = this.clock.after(wait, () => {
      this.timer = undefined;
      this.runDue();
    });
    this.timer = { due: next.due, cancel };
  }

  // --- the heap ------------------------------------------------------------------------------------------------

  private push(item: Item): void {
    this.heap.push(item);
    this.up(this.heap.length - 1);
  }

  private take(item: Item): void {
    const { at } = item;
    const last = this.heap.pop();
    item.at = -1;
    if (last === undefined || last === item) return;
    this.heap[at] = last;
    this.up(at);
    this.down(last.at);
  }

  private up(from: number): void {
    let at = from;
    const item = this.heap[at];
    if (item === undefined) return;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = this.heap[parent];
      if (other === undefined || other.due <= item.due) break;
      this.heap[at] = other;
      other.at = at;
      at = parent;
    }
    this.heap[at] = item;
    item.at = at;
  }

  private down(from: number): void {
    let at = from;
    const item = this.heap[at];
    if (item === undefined) return;
    for (;;) {
      const left = this.heap[2 * at + 1];
      const right = this.heap[2 * at + 2];
      const child = right !== undefined && left !== undefined && right.due < left.due ? right : left;
      if (child === undefined || child.due >= item.due) break;
      const below = child.at;
      this.heap[at] = child;
      child.at = at;
      at = below;
    }
    this.heap[at] = item;
    item.at = at;
  }
}
