// NodeBuckets: the buckets of all keys as the manager adds them up, and what each worker is told of them.
import type { Clock } from '../../core/clock.ts';
import type { Generations } from './generations.ts';
import { type Limit, mostAtOnce, refillTime, type Share, type Spent, type ToWorker } from './shares.ts';

/** One key. It outlives a reload. */
export interface NodeBucket {
  /** Tokens that are left, fewer than none where workers let too many through. */
  level: number;
  /** When `level` was computed, ms. */
  at: number;
  /** Undefined: equal shares, of which no worker had to be told. */
  shares: Shares | undefined;
}

interface Shares {
  /** By worker: what it was lately asked for, fading. */
  readonly demand: Map<number, number>;
  fadedAt: number;
  readonly told: Map<number, { fraction: number; at: number }>;
}

/** What node buckets work with. */
export interface NodeBucketsOptions {
  readonly limit: Limit;
  readonly clock: Clock;
  readonly table: Generations<NodeBucket>;
  /** The workers that can be told. */
  workers(): readonly number[];
  send(worker: number, message: ToWorker): void;
}

/** How fast demand fades, ms to 1/e. */
const memoryOfDemand = 1_000;
/** What all idle workers together get of new tokens besides, so that each has one again some day. */
const idleShare = 0.05;
/** A worker is told when its fraction is another by this. */
const notable = 0.1;
/** Levels that a new worker is told, the latest. */
const mostForNew = 10_000;

/** The buckets of one limit. */
export class NodeBuckets {
  private readonly options: NodeBucketsOptions;
  private readonly tellAgain: number;
  /** How many workers share a bucket. */
  private count = 1;
  private readonly startedAt = new Map<number, number>();
  private readonly seen = new Map<number, number>();
  private readonly letters = new Map<number, Share[]>();

  constructor(options: NodeBucketsOptions) {
    this.options = options;
    // Sooner than workers take a bucket for a full one.
    this.tellAgain = refillTime(options.limit) / 2;
  }

  /** A worker has started, with nothing but equal shares. */
  welcome(worker: number): void {
    const { clock, send, workers, table, limit } = this.options;
    const now = clock.monotonic();
    this.startedAt.set(worker, now);
    this.seen.delete(worker);
    const count = Math.max(this.count, workers().length);
    if (count === this.count) send(worker, { workers: count });
    else for (const each of workers()) send(each, { workers: count });
    this.count = count;
    const low: [key: string, bucket: NodeBucket][] = [];
    for (const [key, bucket] of table) {
      this.refill(bucket, now);
      if (bucket.level < limit.burst - limit.burst / (2 * count)) low.push([key, bucket]);
    }
    for (const [key, bucket] of low.slice(-mostForNew)) {
      this.tell(worker, key, bucket, now);
    }
    this.sendLetters();
  }

  /** A worker says what it let through and turned away. */
  hear(worker: number, report: number, spent: readonly Spent[]): void {
    const now = this.options.clock.monotonic();
    this.seen.set(worker, report);
    for (const [key, passed, refused] of spent) this.add(worker, key, passed, refused, now);
    this.sendLetters();
  }

  private add(worker: number, key: string, passed: number, refused: number, now: number): void {
    const { limit, table } = this.options;
    const bucket = table.get(key) ?? this.begin(key, now);
    this.refill(bucket, now);
    bucket.level -= passed;
    const isPlenty = bucket.level >= limit.burst - limit.burst / (2 * this.count);
    if (isPlenty && refused === 0 && bucket.shares === undefined) return;
    bucket.shares ??= { demand: new Map(), fadedAt: now, told: new Map() };
    fade(bucket.shares, now);
    const { demand, told } = bucket.shares;
    demand.set(worker, (demand.get(worker) ?? 0) + passed + refused);
    for (const each of this.options.workers()) {
      const last = told.get(each);
      if (
        each === worker ||
        last === undefined ||
        last.at < (this.startedAt.get(each) ?? 0) ||
        now - last.at >= this.tellAgain ||
        Math.abs(last.fraction - this.fractionOf(each, bucket.shares)) > notable
      )
        this.tell(each, key, bucket, now);
    }
  }

  private begin(key: string, now: number): NodeBucket {
    const bucket = { level: this.options.limit.burst, at: now, shares: undefined };
    this.options.table.set(key, bucket);
    return bucket;
  }

  private refill(bucket: NodeBucket, now: number): void {
    const { perMs, burst } = this.options.limit;
    bucket.level = Math.min(burst, bucket.level + Math.max(0, now - bucket.at) * perMs);
    bucket.at = now;
  }

  private tell(worker: number, key: string, bucket: NodeBucket, now: number): void {
    const { level, shares } = bucket;
    const fraction = this.fractionOf(worker, shares);
    const isIdle = fraction <= this.idleFraction || this.demandFor(shares) === 0;
    // Who comes to another worker is not turned away there while something is left.
    const tokens = isIdle && level >= 1 ? Math.max(1, fraction * level) : fraction * level;
    const letter = this.letters.get(worker);
    const share = [key, rounded(tokens), rounded(fraction)] as const;
    if (letter === undefined) this.letters.set(worker, [share]);
    else letter.push(share);
    shares?.told.set(worker, { fraction, at: now });
  }

  private fractionOf(worker: number, shares: Shares | undefined): number {
    const all = this.demandFor(shares);
    if (all === 0) return 1 / this.count;
    return Math.max(this.idleFraction, (shares?.demand.get(worker) ?? 0) / all);
  }

  private get idleFraction(): number {
    return idleShare / this.count;
  }

  /** Of the workers that are there now. */
  private demandFor(shares: Shares | undefined): number {
    if (shares === undefined || shares.demand.size === 0) return 0;
    let all = 0;
    for (const each of this.options.workers()) all += shares.demand.get(each) ?? 0;
    return all;
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

function fade(shares: Shares, now: number): void {
  const factor = Math.exp(-Math.max(0, now - shares.fadedAt) / memoryOfDemand);
  shares.fadedAt = now;
  for (const [worker, demand] of shares.demand) {
    if (demand * factor < 0.01) shares.demand.delete(worker);
    else shares.demand.set(worker, demand * factor);
  }
}

/** Short in JSON. */
const rounded = (value: number): number => Math.round(value * 10_000) / 10_000;
