// RenewalPace: how long renewals of the leadership take, and whether the lease leaves enough time for them.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import type { ElectionTimes } from './election-times.ts';
import { RoundTrip } from './round-trip.ts';
import { renewalTimes, slowness } from './slow-etcd.ts';

/** What a {@link RenewalPace} works with. */
export interface RenewalPaceOptions {
  readonly times: ElectionTimes;
  readonly log: Logger;
  readonly clock: Clock;
  /** How long etcd's majority takes to confirm something. */
  readonly majority: RoundTrip;
  /** Returns the lease granted for the leadership of this node, ms; undefined: it has none. */
  granted(): number | undefined;
  /** Returns the time that plugins need of a leadership, ms; 0: none holds anything. */
  need(): number;
  /** Called when renewals became too slow, clearly slower or quicker, or quick enough again. */
  changed(): void;
}

/** Means that differ by this factor are reported again. */
const clearlyOther = 1.5;

/** The pace of one node's renewals. */
export class RenewalPace {
  /** How long renewals take. */
  readonly renewals: RoundTrip;
  private readonly options: RenewalPaceOptions;
  private tooSlow: string | undefined;
  /** The mean of renewals when they were last reported as too slow, ms. */
  private reportedMean = 0;
  /** The number of renewals in a row that were given up. */
  private unansweredInARow = 0;
  /** The lease that etcd granted last, ms. */
  private granted: number | undefined;

  constructor(options: RenewalPaceOptions) {
    this.options = options;
    this.renewals = new RoundTrip(options.clock);
  }

  /** Why renewals are too slow, and what helps; undefined: they are quick enough. */
  get problem(): string | undefined {
    return this.tooSlow;
  }

  renewal(ms: number): void {
    this.unansweredInARow = 0;
    this.renewals.record(ms);
  }

  unanswered(ms: number): void {
    this.unansweredInARow++;
    this.renewals.record(ms);
  }

  /** Judges the renewals; called once a second. */
  judge(): void {
    const { times, log, majority } = this.options;
    const granted = this.options.granted();
    this.granted = granted ?? this.granted;
    if (this.granted === undefined) return;
    const { renewals, unansweredInARow: unanswered } = this;
    const wasSlow = this.tooSlow !== undefined;
    // A node that has nothing to renew still knows how far away etcd is: a renewal is two questions, and takes longer than one.
    const measured =
      granted !== undefined
        ? renewalTimes({ renewals, unanswered, majority })
        : { mean: majority.quickest && majority.quickest * (wasSlow ? 2 : 1), isSettled: true };
    const slow = slowness(measured, { times, granted: this.granted, need: this.options.need(), wasSlow });
    if (slow !== undefined && !wasSlow) log.error(slow);
    // A text that changes every second would make an event every second.
    const { mean = 0 } = measured;
    const isNews = mean > this.reportedMean * clearlyOther || mean * clearlyOther < this.reportedMean;
    if (slow === undefined && wasSlow) {
      log.info('renewals of the lease are quick enough again');
      if (granted === undefined) this.renewals.forget();
    }
    if (slow !== undefined && wasSlow && !isNews) return;
    this.tooSlow = slow;
    this.reportedMean = slow === undefined ? 0 : mean;
    this.options.changed();
  }
}
