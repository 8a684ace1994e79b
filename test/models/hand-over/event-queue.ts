// Simulated time: events in order, and random numbers that a seed repeats.
import { seeded } from '../../../core/testing/seeded.ts';

/** Events at simulated times, ms. */
export class EventQueue {
  now = 0;
  private readonly heap: { at: number; order: number; fn: () => void }[] = [];
  private orders = 0;

  at(time: number, fn: () => void): void {
    const event = { at: Math.max(time, this.now), order: this.orders++, fn };
    this.heap.push(event);
    let i = this.heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.before(i, parent)) break;
      this.swap(i, parent);
      i = parent;
    }
  }

  /** Runs all events until a time, but at most `most`. Returns how many ran. */
  runUntil(end: number, most = Number.POSITIVE_INFINITY): number {
    let steps = 0;
    while (steps < most && (this.heap[0]?.at ?? Number.POSITIVE_INFINITY) <= end) {
      this.runNext();
      steps++;
    }
    return steps;
  }

  /** Runs the next event. Returns false if there is none. */
  runNext(): boolean {
    const first = this.heap[0];
    if (first === undefined) return false;
    this.removeFirst();
    this.now = first.at;
    first.fn();
    return true;
  }

  private removeFirst(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.heap.length && this.before(child, least)) least = child;
      }
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }

  private before(a: number, b: number): boolean {
    const [x, y] = [this.heap[a], this.heap[b]];
    if (x === undefined || y === undefined) return false;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }

  private swap(a: number, b: number): void {
    const [x, y] = [this.heap[a], this.heap[b]];
    if (x === undefined || y === undefined) return;
    this.heap[a] = y;
    this.heap[b] = x;
  }
}

/** Random numbers from a seed. */
export class Chance {
  /** Returns a number from 0 to below 1. */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = seeded(seed);
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  happens(probability: number): boolean {
    return this.next() < probability;
  }
}
