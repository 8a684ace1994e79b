// NodeBuckets: the buckets of all keys as the manager adds them up, and the shares of them that it gives to each worker.

import type { Generations } from '../../core/bounded/generations.ts';
import type { Clock } from '../../core/time/clock.ts';
import { BucketShares, type Workers } from './bucket-shares.ts';
import { type Limit, mostAtOnce, type Share, type Spent, type ToWorker } from './shares.ts';

/** The bucket of one key. It survives a reload. */
export interface NodeBucket {
  /** Tokens left; negative if workers let too many through. */
  level: number;
  /** When `level` was computed, ms. */
  at: number;
}

/** The collaborators of node buckets. */
export interface NodeBucketsOptions {
  readonly limit: Limit;
  readonly clock: Clock;
  readonly table: Generations<NodeBucket>;
  /** The workers that can be sent messages. */
  workers(): readonly number[];
  send(worker: number, message: ToWorker): void;
}

/** The most levels sent to a new worker: the latest ones. */
const mostForNew = 10_000;

/** The buckets of one limit. */
export class NodeBuckets {
  private readonly options: NodeBucketsOptions;
  private readonly startedAt = new Map<number, number>();
  private readonly workers: Workers;
  /** The shares of each bucket that some worker was told about. */
  private readonly shares = new WeakMap<NodeBucket, BucketShares>();
  /** The last report of each worker. */
  private readonly seen = new Map<number, number>();
  private readonly letters = new Map<number, Share[]>();

  constructor(options: NodeBucketsOptions) {
    this.options = options;
    this.workers = { list: [], count: 1, startedAt: this.startedAt };
  }

  /** Handles the start of a worker, which begins with equal shares: sends it the buckets that are low. */
  welcome(worker: number): void {
    const { clock, send, workers, table } = this.options;
    const now = clock.monotonic();
    this.startedAt.set(worker, now);
    this.seen.delete(worker);
    const before = this.workers.count;
    const all = workers();
    this.workers.list = all;
    this.workers.count = Math.max(before, all.length);
    const told = this.workers.count === before ? [worker] : all;
    for (const each of told) send(each, { workers: this.workers.count });
    const low: [key: string, bucket: NodeBucket][] = [];
    for (const [key, bucket] of table) {
      this.refill(bucket, now);
      if (!this.isPlenty(bucket)) low.push([key, bucket]);
    }
    for (const [key, bucket] of low.slice(-mostForNew)) {
      this.sharesOf(bucket).addUp();
      this.tell(worker, key, bucket, now);
    }
    this.sendLetters();
  }

  /** Handles a worker's report of the requests that it admitted and refused. */
  hear(worker: number, report: number, spent: readonly Spent[]): void {
    const now = this.options.clock.monotonic();
    this.seen.set(worker, report);
    this.workers.list = this.options.workers();
    for (const each of spent) this.add(worker, each, now);
    this.sendLetters();
  }

  private add(worker: number, [key, passed, refused, answer]: Spent, now: number): void {
    const { table } = this.options;
    const bucket = table.get(key) ?? this.begin(key, now);
    this.refill(bucket, now);
    bucket.level -= passed;
    const known = this.shares.get(bucket);
    // Equal shares suffice, and no worker was told anything else.
    if (known === undefined && refused === 0 && this.isPlenty(bucket)) return;
    const shares = known ?? this.sharesOf(bucket);
    shares.reported(worker, passed + refused, passed, answer === 1, now);
    const isAsking = passed + refused > 0;
    if (isAsking && shares.mayTell(worker, now)) this.tell(worker, key, bucket, now);
    const isCut = shares.isCut(worker);
    for (const each of this.workers.list) {
      if ((each === worker && isAsking) || !shares.mayTell(each, now)) continue;
      const isNews = shares.isNews(each, now) || (isCut && shares.holdsTooMuch(each, bucket.level, now));
      if (isNews) this.tell(each, key, bucket, now);
    }
  }

  private begin(key: string, now: number): NodeBucket {
    const bucket = { level: this.options.limit.burst, at: now };
    this.options.table.set(key, bucket);
    return bucket;
  }

  private refill(bucket: NodeBucket, now: number): void {
    const { perMs, burst } = this.options.limit;
    bucket.level = Math.min(burst, bucket.level + Math.max(0, now - bucket.at) * perMs);
    bucket.at = now;
  }

  /** Whether no worker can have used up half of an equal share. */
  private isPlenty({ level }: NodeBucket): boolean {
    const { burst } = this.options.limit;
    return level >= burst - burst / (2 * this.workers.count);
  }

  private sharesOf(bucket: NodeBucket): BucketShares {
    const known = this.shares.get(bucket);
    if (known !== undefined) return known;
    const shares = new BucketShares(this.options.limit, this.workers);
    this.shares.set(bucket, shares);
    return shares;
  }

  private tell(worker: number, key: string, bucket: NodeBucket, now: number): void {
    const share = this.sharesOf(bucket).shareOf(worker, key, bucket.level, now);
    const letter = this.letters.get(worker);
    if (letter === undefined) this.letters.set(worker, [share]);
    else letter.push(share);
  }

  private sendLetters(): void {
    for (const [worker, shares] of this.letters) {
      for (let from = 0; from < shares.length; from += mostAtOnce) {
        const part = shares.slice(from, from + mostAtOnce);
        this.options.send(worker, { seen: this.seen.get(worker) ?? 0, shares: part });
      }
    }
    this.letters.clear();
  }
}
