// BucketShares: who of the workers may spend how much of one bucket, as its manager told them.
import { type Limit, refillTime, type Share } from './shares.ts';

/** What one worker was told last. */
interface Lease {
  /** The fraction of new tokens that it gets. */
  readonly fraction: number;
  readonly at: number;
  /** What it may have spent unseen since then, besides what came in with `fraction`. */
  tokens: number;
  /** Fewer, as soon as it has heard that it is less. */
  fewer: number | undefined;
  /** Did it get less than its fraction, as others had it? */
  readonly isCut: boolean;
  /** When the time began in which it was told so often, ms. */
  readonly paceSince: number;
  readonly toldSince: number;
}

/** The workers of a limit. */
export interface Workers {
  /** Those that are there now. */
  list: readonly number[];
  /** How many share a bucket. */
  count: number;
  /** When each started, with equal shares of all that it is not told of, ms. */
  readonly startedAt: ReadonlyMap<number, number>;
}

/** How fast demand fades, ms to 1/e. */
const memoryOfDemand = 1_000;
/** What all idle workers together get of new tokens besides, so that each has one again some day. */
const idleShare = 0.05;
/** A worker is told when its fraction is another by this. */
const notable = 0.1;
/** Tokens that are not worth a message. */
const negligible = 0.5;
/** A worker is told of one bucket so often within that many ms, however hard its client tries. */
const mostTold = 3;
const paceMs = 50;

/** The shares of one bucket, of which some worker needed more than an equal one. */
export class BucketShares {
  private readonly limit: Limit;
  private readonly workers: Workers;
  /** By worker: what it was lately asked for, fading. */
  private readonly demand = new Map<number, number>();
  private fadedAt = 0;
  /** The demand at all workers that are there now. */
  private wholeDemand = 0;
  private readonly leases = new Map<number, Lease>();

  constructor(limit: Limit, workers: Workers) {
    this.limit = limit;
    this.workers = workers;
  }

  /** A worker was asked `asked` times, `passed` of them with success; `hasHeard`: what it was told. */
  reported(worker: number, asked: number, passed: number, hasHeard: boolean, now: number): void {
    this.fade(now);
    if (asked > 0) this.demand.set(worker, (this.demand.get(worker) ?? 0) + asked);
    this.addUp();
    const lease = this.leases.get(worker);
    if (lease === undefined) return;
    lease.tokens -= passed;
    if (lease.fewer === undefined) return;
    lease.fewer -= passed;
    if (!hasHeard) return;
    lease.tokens = Math.min(lease.tokens, lease.fewer);
    lease.fewer = undefined;
  }

  /** Looks anew which workers are there. */
  addUp(): void {
    this.wholeDemand = 0;
    if (this.demand.size === 0) return;
    for (const each of this.workers.list) this.wholeDemand += this.demand.get(each) ?? 0;
  }

  /** Has the worker to be told, whoever's report it is? */
  isNews(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit) / 2);
    if (lease === undefined) return true;
    if (lease.isCut && !this.awaitsAnswers()) return true;
    return Math.abs(lease.fraction - this.fractionOf(worker)) > notable;
  }

  /** Is there a worker that may still spend what it was told to be gone? */
  private awaitsAnswers(): boolean {
    for (const each of this.workers.list) if (this.leases.get(each)?.fewer !== undefined) return true;
    return false;
  }

  /** Was the worker not told too often just now? What is left out then, it hears after a later report. */
  mayTell(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit));
    return lease === undefined || now - lease.paceSince >= paceMs || lease.toldSince < mostTold;
  }

  /** Did the worker get less than its part, because others may have spent that? */
  isCut(worker: number): boolean {
    return this.leases.get(worker)?.isCut === true;
  }

  /** Does the worker hold what another one has more need of, and has not been told so? */
  holdsTooMuch(worker: number, level: number, now: number): boolean {
    const lease = this.leases.get(worker);
    if (lease?.fewer !== undefined) return false;
    return this.heldBy(worker, now) > Math.max(1, this.fractionOf(worker) * level) + negligible;
  }

  /** What a worker is told of a bucket with so many tokens left. */
  shareOf(worker: number, key: string, level: number, now: number): Share {
    const fraction = this.fractionOf(worker);
    const wanted = fraction * level;
    const tokens =
      level <= 0 ? wanted : Math.min(wanted, Math.max(0, level - this.heldByOthers(worker, now)));
    // Who comes to another worker is not turned away there while something is left.
    const told = this.isIdle(fraction) && level >= 1 ? Math.max(1, tokens) : tokens;
    const held = this.heldBy(worker, now);
    const isLess = told < held;
    const last = this.leases.get(worker);
    const goesOn = last !== undefined && now - last.paceSince < paceMs;
    this.leases.set(worker, {
      fraction,
      at: now,
      tokens: isLess ? held : told,
      fewer: isLess ? told : undefined,
      isCut: wanted - told > negligible,
      paceSince: goesOn ? last.paceSince : now,
      toldSince: goesOn ? last.toldSince + 1 : 1,
    });
    return [key, rounded(told), rounded(fraction), isLess && held > 1 ? 1 : 0];
  }

  private fade(now: number): void {
    const factor = Math.exp(-Math.max(0, now - this.fadedAt) / memoryOfDemand);
    this.fadedAt = now;
    for (const [worker, demand] of this.demand) {
      if (demand * factor < 0.01) this.demand.delete(worker);
      else this.demand.set(worker, demand * factor);
    }
  }

  private fractionOf(worker: number): number {
    if (this.wholeDemand === 0) return 1 / this.workers.count;
    return Math.max(idleShare / this.workers.count, (this.demand.get(worker) ?? 0) / this.wholeDemand);
  }

  private isIdle(fraction: number): boolean {
    return fraction <= idleShare / this.workers.count || this.wholeDemand === 0;
  }

  /** What it was told, if that is no longer ago than `ms`; who is in the place of another worker was not. */
  private leaseOf(worker: number, now: number, ms: number): Lease | undefined {
    const lease = this.leases.get(worker);
    const startedAt = this.workers.startedAt.get(worker) ?? 0;
    return lease !== undefined && lease.at >= startedAt && now - lease.at < ms ? lease : undefined;
  }

  /** What a worker may spend before it hears of anything. */
  private heldBy(worker: number, now: number): number {
    const { perMs, burst } = this.limit;
    const lease = this.leaseOf(worker, now, refillTime(this.limit));
    if (lease === undefined) return Math.max(1, burst / this.workers.count);
    const room = Math.max(1, burst * lease.fraction, lease.tokens);
    return Math.min(room, Math.max(0, lease.tokens) + (now - lease.at) * perMs * lease.fraction);
  }

  /** The one token that each may have for who comes there next is not counted. */
  private heldByOthers(worker: number, now: number): number {
    let held = 0;
    for (const each of this.workers.list) {
      const own = each === worker ? 0 : this.heldBy(each, now);
      if (own > 1) held += own;
    }
    return held;
  }
}

/** Short in JSON, and no more than it was. */
const rounded = (value: number): number => Math.floor(value * 10_000) / 10_000;
