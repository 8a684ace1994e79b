// FakeClock: time that does not move until a test moves it.
import type { CancelTimer, Clock } from '../time/clock.ts';

interface Timer {
  due: number;
  readonly order: number;
  /** The period in ms; undefined: it runs once. */
  readonly period: number | undefined;
  readonly fn: () => void;
}

// A timer that sets itself again without time passing would keep advance() from ending.
const maxCallsAnAdvance = 1_000_000;

/**
 * A clock for tests. It begins at 2025-01-01T00:00:00Z, monotonic 1000 ms, and runs timers only when a test advances
 * it.
 */
export class FakeClock implements Clock {
  private elapsed = 0;
  private readonly startedAt: number;
  /** Sorted, the next one to run last. */
  private readonly timers: Timer[] = [];
  private made = 0;

  /** @param startedAt where it begins, ms since the epoch */
  constructor(startedAt: number = Date.UTC(2025, 0, 1)) {
    this.startedAt = startedAt;
  }

  now(): number {
    return this.startedAt + this.elapsed;
  }

  monotonic(): number {
    return 1000 + this.elapsed;
  }

  after(ms: number, fn: () => void): CancelTimer {
    return this.add(ms, undefined, fn);
  }

  every(ms: number, fn: () => void): CancelTimer {
    return this.add(ms, Math.max(1, ms), fn);
  }

  /** Timers that are still set: 0 after a plugin that cleans up was closed. */
  get pending(): number {
    return this.timers.length;
  }

  /** Lets `ms` pass: calls each timer that comes due, in order and at its time. */
  advance(ms: number): void {
    const end = this.elapsed + ms;
    for (let calls = 0; this.step(end); calls++) refuseEndless(calls);
    this.elapsed = end;
  }

  /** Like {@link advance}, and lets promises settle before, between and after the timers. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.elapsed + ms;
    await settle();
    for (let calls = 0; this.step(end); calls++) {
      refuseEndless(calls);
      await settle();
    }
    this.elapsed = end;
    await settle();
  }

  private add(ms: number, period: number | undefined, fn: () => void): CancelTimer {
    // As in Node, a timer takes at least 1 ms.
    const timer: Timer = { due: this.elapsed + Math.max(1, ms), order: this.made++, period, fn };
    this.insert(timer);
    return () => {
      const at = this.timers.indexOf(timer);
      if (at >= 0) this.timers.splice(at, 1);
    };
  }

  private insert(timer: Timer): void {
    let low = 0;
    let high = this.timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.timers[middle];
      if (other !== undefined && isBefore(timer, other)) low = middle + 1;
      else high = middle;
    }
    this.timers.splice(low, 0, timer);
  }

  /** Calls the next timer that is due by `end`; false when there is none. */
  private step(end: number): boolean {
    const next = this.timers.at(-1);
    if (next === undefined || next.due > end) return false;
    this.timers.pop();
    this.elapsed = Math.max(this.elapsed, next.due);
    if (next.period !== undefined) {
      next.due += next.period;
      this.insert(next);
    }
    next.fn();
    return true;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

function refuseEndless(calls: number): void {
  if (calls >= maxCallsAnAdvance)
    throw new Error(`${maxCallsAnAdvance} timers ran; does one set itself again forever?`);
}

/** Resolves when all promises have settled that need neither I/O nor time. */
export async function settle(): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve));
}
