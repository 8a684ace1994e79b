// WorkerBuckets: a worker's shares of the buckets of all keys, from which it decides at once, and its reports.

import { Generations } from '../../core/bounded/generations.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type Limit, mostAtOnce, refillTime, type Spent, type ToManager, type ToWorker } from './shares.ts';

interface Bucket {
  readonly key: string;
  tokens: number;
  /** When `tokens` was computed, ms. */
  at: number;
  /** The fraction of the key's new tokens that this worker gets. */
  fraction: number;
  /** When the manager last sent a share of it, ms. */
  toldAt: number;
  /** Requests that have not been reported to the manager yet. */
  passed: number;
  refused: number;
  answer: 0 | 1;
  /** The admitted requests in the last report, and the number of that report. */
  reported: number;
  reportedIn: number;
}

/** The collaborators of worker buckets. */
export interface WorkerBucketsOptions {
  readonly limit: Limit;
  /** The most keys remembered. */
  readonly keys: number;
  readonly clock: Clock;
  send(report: ToManager): void;
}

/** The time from a request to its report, ms: if this worker needs more than it has, and otherwise. */
const urgentDelay = 1;
const delay = 100;
/** How long a worker that was told its share waits before it asks for more, ms. */
const patience = 50;
/** Tokens are sums of fractions, which may miss a whole number by rounding. */
const whole = 1 - 1e-9;

/**
 * For a new key a worker has an equal share and counts alone. It reports the requests that it admitted. When a share runs low,
 * the manager, which adds up the reports, divides what is left, with more for the workers with more demand. So no request
 * waits, and any excess is deducted from later shares.
 */
export class WorkerBuckets {
  /** Tokens that were left after the last `take`. */
  left = 0;
  private readonly options: WorkerBucketsOptions;
  private readonly table: Generations<Bucket>;
  private readonly fullAgain: number;
  /** Undefined until the manager has sent it; until then, this worker counts alone. */
  private workers: number | undefined;
  private unreported = new Map<string, Bucket>();
  private reports = 0;
  private cancelReport: CancelTimer | undefined;
  /** The delay of the scheduled report, ms. */
  private reportDelay = 0;

  constructor(options: WorkerBucketsOptions) {
    this.options = options;
    this.table = new Generations(options.keys);
    this.fullAgain = refillTime(options.limit) + 1_000;
  }

  get size(): number {
    return this.table.size;
  }

  /** Takes a token of this key and returns 0, or returns the ms until there may be one. `now`: ms of a monotonic clock. */
  take(key: string, now: number): number {
    const bucket = this.table.get(key) ?? this.begin(key, now);
    this.refill(bucket, now);
    if (bucket.tokens < whole) {
      bucket.refused++;
      this.note(bucket, now);
      this.left = 0;
      return this.waitFor(bucket);
    }
    bucket.tokens--;
    bucket.passed++;
    this.note(bucket, now);
    this.left = Math.max(0, bucket.tokens);
    return 0;
  }

  /** Returns what {@link take} would, without changing anything. */
  outlook(key: string, now: number): number {
    const known = this.table.peek(key);
    if (known === undefined) return 0;
    const bucket = { ...known };
    this.refill(bucket, now);
    return bucket.tokens < whole ? this.waitFor(bucket) : 0;
  }

  /** Applies a message of the manager. */
  hear(message: ToWorker): void {
    if ('workers' in message) {
      if (this.workers === undefined) this.table.clear();
      this.workers = message.workers;
      return;
    }
    const now = this.options.clock.monotonic();
    for (const [key, tokens, fraction, answer] of message.shares) {
      const bucket = this.table.get(key) ?? this.begin(key, now);
      const underWay = bucket.reportedIn > message.seen ? bucket.reported : 0;
      bucket.fraction = fraction;
      bucket.tokens = Math.min(this.room(bucket), tokens) - bucket.passed - underWay;
      bucket.at = now;
      bucket.toldAt = now;
      if (answer === 0) continue;
      bucket.answer = 1;
      this.unreported.set(key, bucket);
      this.reportWithin(urgentDelay);
    }
  }

  /** Reports everything unreported. */
  close(): void {
    this.cancelReport?.();
    this.cancelReport = undefined;
    while (this.unreported.size > 0) this.report();
  }

  private waitFor({ tokens, fraction }: Bucket): number {
    return (1 - tokens) / (this.options.limit.perMs * Math.max(fraction, this.fairFraction));
  }

  private get fairFraction(): number {
    return 1 / (this.workers ?? 1);
  }

  private begin(key: string, now: number): Bucket {
    // A key may be forgotten before it is reported.
    const known = this.unreported.get(key);
    const bucket = known ?? {
      key,
      tokens: this.fairTokens,
      at: now,
      fraction: this.fairFraction,
      toldAt: Number.NEGATIVE_INFINITY,
      passed: 0,
      refused: 0,
      answer: 0,
      reported: 0,
      reportedIn: 0,
    };
    this.table.set(key, bucket);
    return bucket;
  }

  /** A worker's equal share of a full bucket, at least one token. */
  private get fairTokens(): number {
    return Math.max(1, this.options.limit.burst * this.fairFraction);
  }

  /** The most tokens that a share may hold. */
  private room({ fraction }: Bucket): number {
    return Math.max(1, this.options.limit.burst * fraction);
  }

  private refill(bucket: Bucket, now: number): void {
    const passed = now - bucket.at;
    if (passed <= 0) return;
    bucket.at = now;
    if (passed >= this.fullAgain && now - bucket.toldAt >= this.fullAgain) {
      // After so long without use, it is as full as a new one.
      bucket.fraction = this.fairFraction;
      bucket.tokens = this.fairTokens;
      return;
    }
    const { perMs } = this.options.limit;
    bucket.tokens = Math.min(this.room(bucket), bucket.tokens + passed * perMs * bucket.fraction);
  }

  private note(bucket: Bucket, now: number): void {
    if (this.workers === undefined) return;
    if (this.unreported.size >= this.options.keys) this.report();
    this.unreported.set(bucket.key, bucket);
    const isLow =
      bucket.fraction < 1 && bucket.tokens < this.room(bucket) / 2 && now - bucket.toldAt >= patience;
    this.reportWithin(isLow ? urgentDelay : delay);
  }

  private reportWithin(ms: number): void {
    if (this.cancelReport !== undefined && this.reportDelay <= ms) return;
    this.cancelReport?.();
    this.reportDelay = ms;
    this.cancelReport = this.options.clock.after(ms, this.reportNow);
  }

  private readonly reportNow = (): void => {
    this.cancelReport = undefined;
    this.report();
    if (this.unreported.size > 0) this.reportWithin(urgentDelay);
  };

  private report(): void {
    const spent: Spent[] = [];
    this.reports++;
    for (const [key, bucket] of this.unreported) {
      if (spent.length >= mostAtOnce) break;
      spent.push([key, bucket.passed, bucket.refused, bucket.answer]);
      bucket.reported = bucket.passed;
      bucket.reportedIn = this.reports;
      bucket.passed = 0;
      bucket.refused = 0;
      bucket.answer = 0;
      this.unreported.delete(key);
    }
    if (spent.length > 0) this.options.send({ report: this.reports, spent });
  }
}
