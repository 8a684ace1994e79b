// How often the config was reloaded, and how the last reload ended.

import type { Reloads } from '../plugin/plugin.ts';
import type { Clock } from '../time/clock.ts';

/** The reloads of one manager. */
export class ReloadCounts {
  private readonly clock: Clock;
  private counts: Reloads;

  constructor(clock: Clock) {
    this.clock = clock;
    this.counts = { succeeded: 0, failed: 0, lastSucceeded: true, lastSuccessAt: clock.now() };
  }

  get now(): Reloads {
    return this.counts;
  }

  succeeded(): void {
    this.counts = {
      ...this.counts,
      succeeded: this.counts.succeeded + 1,
      lastSucceeded: true,
      lastSuccessAt: this.clock.now(),
    };
  }

  failed(): void {
    this.counts = { ...this.counts, failed: this.counts.failed + 1, lastSucceeded: false };
  }
}
