// DroppedSpans: reports how many spans were dropped and why, in a metric, and in the log, at most once a minute.
import type { Logger } from 'pino';
import type { Counter } from '../../core/plugin/metrics.ts';
import type { Clock } from '../../core/time/clock.ts';

/** The pause between log lines, ms. */
const minute = 60_000;

/** Why a span was dropped: the queue was full, the receiver did not accept it, or the worker ended first. */
export type DropReason = 'queue' | 'export' | 'stop';

/** Where dropped spans are reported. */
export interface DroppedSpansMeans {
  readonly log: Pick<Logger, 'warn'>;
  readonly clock: Clock;
  readonly counters: Readonly<Record<DropReason, Counter>>;
}

/** Counts and reports dropped spans. */
export class DroppedSpans {
  private readonly means: DroppedSpansMeans;
  private count = 0;
  private why = '';
  /** Whether there was a log line within this minute. */
  private said = false;

  constructor(means: DroppedSpansMeans) {
    this.means = means;
  }

  add(count: number, reason: DropReason, why: string): void {
    if (count === 0) return;
    this.means.counters[reason].inc(count);
    this.count += count;
    this.why = why;
    if (!this.said || reason === 'stop') this.say();
  }

  private say(): void {
    const { count, why, said } = this;
    this.means.log.warn(
      { dropped: count },
      `${count === 1 ? '1 span was' : `${count} spans were`} dropped: ${why}`,
    );
    this.count = 0;
    if (said) return;
    this.said = true;
    this.means.clock.after(minute, () => {
      this.said = false;
      if (this.count > 0) this.say();
    });
  }
}
