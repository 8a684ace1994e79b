// AwayProblem: reports, while etcd cannot be reached, since when and why.

import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import type { Clock } from '../../core/time/clock.ts';
import { timeOfDay } from '../../core/time/time-of-day.ts';
import type { EtcdStore } from './etcd-store.ts';

/** Reported only after this many looks in a row, one a second: a watch that reconnects is back sooner. */
const looksUntilReported = 3;
/** etcd is asked every second; no answer for longer than this counts as silence, ms. */
const silence = 3_000;
/** A new reason replaces the reported one only after this time, ms: otherwise members that fail in turn would cause an event every second. */
const reasonStaysFor = 60_000;

/** What an {@link AwayProblem} works with. */
export interface AwayProblemOptions {
  readonly store: Pick<EtcdStore, 'stale' | 'silentFor' | 'awayBecause'>;
  readonly events: Pick<ManagerEvents, 'problem'>;
  readonly clock: Clock;
}

/** What is wrong with etcd as one node sees it. */
export class AwayProblem {
  private readonly options: AwayProblemOptions;
  private looks = 0;
  private since = 0;
  private reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: AwayProblemOptions) {
    this.options = options;
  }

  /** Looks once; call it once a second. */
  look(): void {
    const { store, events, clock } = this.options;
    if (!store.stale) {
      this.looks = 0;
      this.reportedAt = Number.NEGATIVE_INFINITY;
      events.problem('away', undefined);
      return;
    }
    const now = clock.now();
    if (this.looks++ === 0) this.since = now;
    if (this.looks < looksUntilReported || clock.monotonic() - this.reportedAt < reasonStaysFor) return;
    this.reportedAt = clock.monotonic();
    const { silentFor, awayBecause } = store;
    // The time of etcd's last answer is more exact than that of the first look.
    if (Number.isFinite(silentFor)) this.since = Math.min(this.since, now - silentFor);
    const what = store.silentFor > silence ? 'has not answered' : 'has not been followed';
    const why = awayBecause === '' ? 'its watch was lost' : awayBecause;
    const text = `etcd ${what} since ${timeOfDay(this.since, now)}: ${why}`;
    events.problem('away', { severity: 'error', text });
  }
}
