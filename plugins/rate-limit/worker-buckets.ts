// WorkerBuckets: a worker's shares of the buckets of all keys, from which it answers at once, and its reports of them.

import { Generations } from '../../core/bounded/generations.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { type Limit, mostAtOnce, refillTime, type Spent, type ToManager, type ToWorker } from './shares.ts';

interface Bucket {
  readonly key: string;
  tokens: number;
  /** When `tokens` was computed, ms. */
  at: number;
  /** How much of the key's new tokens come here. */
  fraction: number;
  /** When the manager last said something of it, ms. */
  toldAt: number;
  /** What the manager has not heard yet. */
  passed: number;
  refused: number;
  answer: 0 | 1;
  /** What the last report said to have passed, and which report that was. */
  reported: number;
  reportedIn: number;
}

/** What worker buckets work with. */
export interface WorkerBucketsOptions {
  readonly limit: Limit;
  /** The most keys that are remembered. */
  readonly keys: number;
  readonly clock: Clock;
  send(report: ToManager): void;
}

/** From a request to the report of it, ms: where this worker needs more than it has, and else. */
const urgentDelay = 1;
const delay = 100;
/** A worker that was told its share does not ask for more before that, ms. */
const patience = 50;
/** Tokens are sums of fractions, which may miss a whole one by the last bits of a number. */
const whole = 1 - 1e-9;

/**
 * Of a key that is new to it a worker has an equal share, and counts alone. It reports what it let through; when a share
 * runs low, the manager, which adds up the reports, gives shares of what is really left, more to the workers that are asked
 * more. So no request waits, and what was too much is missing from later shares.
 */
export class WorkerBuckets {
  /** Tokens that were left after the last `take`. */
  left = 0;
  private readonly options: WorkerBucketsOptions;
  private readonly table: Generations<Bucket>;
  private readonly fullAgain: number;
  /** Undefined: no manager has said anything, and all is counted here alone. */
  private workers: number | undefined;
  private unreported = new Map<string, Bucket>();
  private reports = 0;
  private cancelReport: CancelTimer | undefined;
  /** When the next report is due, ms from when it was set. */
  private reportDelay = 0;

  constructor(options: WorkerBucketsOptions) {
    this.options = options;
    this.table = new Generations(options.keys);
    this.fullAgain = refillTime(options.limit) + 1_000;
  }

  get size(): number {
    return this.table.size;
  }

  /** Takes a token of this key: 0, or the ms until there may be one. `now`: ms of a monotonic clock. */
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

  /** What {@link take} would return; nothing is changed. */
  outlook(key: string, now: number): number {
    const known = this.table.peek(key);
    if (known === undefined) return 0;
    const bucket = { ...known };
    this.refill(bucket, now);
    return bucket.tokens < whole ? this.waitFor(bucket) : 0;
  }

  /** Goes by what the manager says. */
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

  /** Reports all that is left to report. */
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

  /** What a worker has of a bucket that was full, a whole token at least. */
  private get fairTokens(): number {
    return Math.max(1, this.options.limit.burst * this.fairFraction);
  }

  /** The most tokens that its share may come to. */
  private room({ fraction }: Bucket): number {
    return Math.max(1, this.options.limit.burst * fraction);
  }

  private refill(bucket: Bucket, now: number): void {
    const passed = now - bucket.at;
    if (passed <= 0) return;
    bucket.at = now;
    if (passed >= this.fullAgain && now - bucket.toldAt >= this.fullAgain) {
      // Nobody has asked for it in all this time: it is as full as one that is new.
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
