// LostLines: reports how many lines were lost and why, in a metric, and in the log, at most once every ten seconds.
import type { Logger } from 'pino';
import type { Counter } from '../../core/plugin/metrics.ts';
import type { Clock } from '../../core/time/clock.ts';

/** The pause between log lines, ms. */
const span = 10_000;

/** Where lost lines are reported. */
export interface LostLinesMeans {
  readonly log: Pick<Logger, 'warn'>;
  readonly clock: Clock;
  readonly counter: Counter;
}

/** Counts and reports lost lines. */
export class LostLines {
  private readonly means: LostLinesMeans;
  private count = 0;
  private why = '';
  /** Whether there was a log line within this span. */
  private said = false;

  constructor(means: LostLinesMeans) {
    this.means = means;
  }

  add(count: number, why: string): void {
    if (count === 0) return;
    this.means.counter.inc(count);
    this.count += count;
    this.why = why;
    if (!this.said) this.say();
  }

  private say(): void {
    const { count, why } = this;
    const what = count === 1 ? '1 line of the access log was' : `${count} lines of the access log were`;
    this.means.log.warn({ dropped: count }, `${what} dropped: ${why}`);
    this.count = 0;
    this.said = true;
    this.means.clock.after(span, () => {
      this.said = false;
      if (this.count > 0) this.say();
    });
  }
}
