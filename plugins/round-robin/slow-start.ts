// SlowStart: the weight that an upstream counts with while it warms up.

import type { Upstream } from '../../core/pool/pool.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

const steps = 10;

/** Follows upstreams that came (back) and raises what they count, from a tenth of their weight to all of it. */
export class SlowStart {
  private readonly clock: Clock;
  private readonly durationMs: number;
  private readonly changed: (upstream: Upstream) => void;
  private readonly warming = new Set<Upstream>();
  private cancel: CancelTimer | undefined = undefined;

  /** @param changed called for each upstream whose {@link weightOf} has changed because time went by */
  constructor(clock: Clock, durationMs: number, changed: (upstream: Upstream) => void) {
    this.clock = clock;
    this.durationMs = durationMs;
    this.changed = changed;
  }

  /** What an upstream counts with now; an upstream that is not at its full weight is followed from then on. */
  weightOf(upstream: Upstream): number {
    const { weight } = upstream;
    const { activeSince } = upstream.record;
    const elapsed = this.clock.now() - activeSince;
    if (activeSince === 0 || elapsed >= this.durationMs) return weight;
    this.warming.add(upstream);
    this.cancel ??= this.clock.every(Math.max(1, this.durationMs / steps), () => this.step());
    // A wall clock that was set back makes `elapsed` negative.
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
