// AwayProblem: says in words that etcd cannot be reached, since when and why, as long as it is so.

import type { ManagerEvents } from '../../core/events/plugin-events.ts';
import type { Clock } from '../../core/time/clock.ts';
import { timeOfDay } from '../../core/time/time-of-day.ts';
import type { EtcdStore } from './etcd-store.ts';

/** A watch that is made anew is no news: so many looks at it, one a second, are. */
const looksUntilTold = 3;
/** It is asked each second; ms. */
const silence = 3_000;
/** Members that fail in different ways would make an event with each look. */
const reasonStaysFor = 60_000;

/** What it works with. */
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
  private saidAt = Number.NEGATIVE_INFINITY;

  constructor(options: AwayProblemOptions) {
    this.options = options;
  }

  /** Call it once a second. */
  look(): void {
    const { store, events, clock } = this.options;
    if (!store.stale) {
      this.looks = 0;
      this.saidAt = Number.NEGATIVE_INFINITY;
      events.problem('away', undefined);
      return;
    }
    const now = clock.now();
    if (this.looks++ === 0) this.since = now;
    if (this.looks < looksUntilTold || clock.monotonic() - this.saidAt < reasonStaysFor) return;
    this.saidAt = clock.monotonic();
    const { silentFor, awayBecause } = store;
    // When it answered last is known better than when this was first looked at.
    if (Number.isFinite(silentFor)) this.since = Math.min(this.since, now - silentFor);
    const what = store.silentFor > silence ? 'has not answered' : 'has not been followed';
    const why = awayBecause === '' ? 'its watch was lost' : awayBecause;
    const text = `etcd ${what} since ${timeOfDay(this.since, now)}: ${why}`;
    events.problem('away', { severity: 'error', text });
  }
}
