// RoundTrip: how long etcd takes to answer, as a mean that follows and the longest of the last minute.
import type { Clock } from '../../core/time/clock.ts';

/** The weight of the newest answer in the mean. */
const weight = 0.1;
/** So many answers make a mean. */
const enough = 8;
const spanOfBucket = 5000;
const buckets = 12;

/** The answers to one kind of question. */
export class RoundTrip {
  private readonly clock: Clock;
  private average: number | undefined;
  private count = 0;
  /** The last ones, ms. */
  private readonly last: number[] = [];
  /** The longest of each five seconds, the newest last. */
  private readonly longest: { readonly bucket: number; ms: number }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** An answer took this long, or did not come for this long. */
  record(ms: number): void {
    this.count++;
    this.last.push(ms);
    if (this.last.length > enough) this.last.shift();
    this.average = this.average === undefined ? ms : this.average + weight * (ms - this.average);
    const bucket = this.bucket;
    const last = this.longest.at(-1);
    if (last?.bucket === bucket) last.ms = Math.max(last.ms, ms);
    else this.longest.push({ bucket, ms });
    if (this.longest.length > buckets) this.longest.shift();
  }

  /** The mean begins anew. */
  forget(): void {
    this.average = undefined;
    this.count = 0;
    this.last.length = 0;
  }

  /** Is the mean one of several? The first answer waits for a connection. */
  get isSettled(): boolean {
    return this.count >= enough;
  }

  /** ms; undefined: nothing was asked yet. */
  get mean(): number | undefined {
    return this.average;
  }

  /** The quickest of the last eight, ms: what is far away is so each time. Undefined: there were not as many. */
  get quickest(): number | undefined {
    return this.last.length < enough ? undefined : Math.min(...this.last);
  }

  /** The longest of the last minute, ms; undefined: there was none. */
  get worst(): number | undefined {
    const recent = this.longest.filter(({ bucket }) => bucket > this.bucket - buckets);
    return recent.length === 0 ? undefined : Math.max(...recent.map(({ ms }) => ms));
  }

  private get bucket(): number {
    return Math.floor(this.clock.monotonic() / spanOfBucket);
  }
}
