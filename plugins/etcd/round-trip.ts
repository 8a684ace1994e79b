// RoundTrip: how long etcd takes to answer: a moving mean, and the longest of the last minute.
import type { Clock } from '../../core/time/clock.ts';

/** The weight of the newest answer in the moving mean. */
const weight = 0.1;
/** The number of answers after which the mean counts. */
const enough = 8;
const spanOfBucket = 5000;
const buckets = 12;

/** The times of one kind of question. */
export class RoundTrip {
  private readonly clock: Clock;
  private average: number | undefined;
  private count = 0;
  /** The times of the last answers, ms. */
  private readonly last: number[] = [];
  /** The longest time within each five seconds, the newest last. */
  private readonly longest: { readonly bucket: number; ms: number }[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Records that an answer took this long, or was missing for this long, ms. */
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

  /** Starts the mean again. */
  forget(): void {
    this.average = undefined;
    this.count = 0;
    this.last.length = 0;
  }

  /** Whether the mean covers enough answers. The first one includes opening a connection. */
  get isSettled(): boolean {
    return this.count >= enough;
  }

  /** The moving mean, ms; undefined: no answer yet. */
  get mean(): number | undefined {
    return this.average;
  }

  /** The quickest of the last eight answers, ms, which shows how far away etcd is. Undefined: there were fewer. */
  get quickest(): number | undefined {
    return this.last.length < enough ? undefined : Math.min(...this.last);
  }

  /** The longest time of the last minute, ms; undefined: no answer in it. */
  get worst(): number | undefined {
    const recent = this.longest.filter(({ bucket }) => bucket > this.bucket - buckets);
    return recent.length === 0 ? undefined : Math.max(...recent.map(({ ms }) => ms));
  }

  private get bucket(): number {
    return Math.floor(this.clock.monotonic() / spanOfBucket);
  }
}
