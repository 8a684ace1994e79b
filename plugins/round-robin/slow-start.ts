// SlowStart: the effective weight of an upstream that is warming up.

import type { Upstream } from '../../core/pool/pool.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

const steps = 10;

/** Ramps upstreams that are new or have come back, from a tenth of their weight to all of it. */
export class SlowStart {
  private readonly clock: Clock;
  private readonly durationMs: number;
  private readonly changed: (upstream: Upstream) => void;
  private readonly warming = new Set<Upstream>();
  private cancel: CancelTimer | undefined = undefined;

  /** @param changed called for each upstream whose {@link weightOf} has changed with time */
  constructor(clock: Clock, durationMs: number, changed: (upstream: Upstream) => void) {
    this.clock = clock;
    this.durationMs = durationMs;
    this.changed = changed;
  }

  /** The effective weight now. An upstream below its full weight is followed from then on. */
  weightOf(upstream: Upstream): number {
    const { weight } = upstream;
    const { activeSince } = upstream.record;
    const elapsed = this.clock.now() - activeSince;
    if (activeSince === 0 || elapsed >= this.durationMs) return weight;
    this.warming.add(upstream);
    this.cancel ??= this.clock.every(Math.max(1, this.durationMs / steps), () => this.step());
    // `elapsed` is negative when the wall clock was set back.
    const step = Math.max(1, Math.floor((elapsed * steps) / this.durationMs) + 1);
    return (weight * Math.min(step, steps)) / steps;
  }

  close(): void {
    this.cancel?.();
    this.cancel = undefined;
    this.warming.clear();
  }

  private step(): void {
    const due = [...this.warming];
    this.warming.clear();
    for (const upstream of due) this.changed(upstream);
    if (this.warming.size === 0) this.close();
  }
}
