// BucketShares: how much of one bucket each worker may spend, and what the manager last told it.
import { type Limit, refillTime, type Share } from './shares.ts';

/** The share that one worker was last told. */
interface Lease {
  /** The fraction of new tokens that it gets. */
  readonly fraction: number;
  readonly at: number;
  /** The tokens that it may have spent since then without a report, besides those that `fraction` added. */
  tokens: number;
  /** The new, smaller number, which applies once the worker has confirmed it. */
  fewer: number | undefined;
  /** Whether it got less than its fraction because others held the rest. */
  readonly isCut: boolean;
  /** When the current period of messages to it began, ms, and the number of messages since then. */
  readonly paceSince: number;
  readonly toldSince: number;
}

/** The workers of a limit. */
export interface Workers {
  /** The workers that run now. */
  list: readonly number[];
  /** The number of workers that share a bucket. */
  count: number;
  /** When each started, ms. From then on it has an equal share of every bucket that it was told nothing about. */
  readonly startedAt: ReadonlyMap<number, number>;
}

/** How fast demand fades, ms to 1/e. */
const memoryOfDemand = 1_000;
/** The part of new tokens that all idle workers together get, so that each has one again eventually. */
const idleShare = 0.05;
/** A worker is told its share when its fraction has changed by this much. */
const notable = 0.1;
/** Tokens that are not worth a message. */
const negligible = 0.5;
/** The most messages to a worker about one bucket within `paceMs`, however many requests the client sends. */
const mostTold = 3;
const paceMs = 50;

/** The shares of a bucket of which a worker has needed more than its equal share. */
export class BucketShares {
  private readonly limit: Limit;
  private readonly workers: Workers;
  /** Recent demand by worker, fading. */
  private readonly demand = new Map<number, number>();
  private fadedAt = 0;
  /** The demand at all workers that run now. */
  private wholeDemand = 0;
  private readonly leases = new Map<number, Lease>();

  constructor(limit: Limit, workers: Workers) {
    this.limit = limit;
    this.workers = workers;
  }

  /** Adds a worker's report: `asked` requests, of which it let `passed` through. `hasHeard`: it confirms what it was told. */
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

  /** Adds up the demand of the workers that run now. */
  addUp(): void {
    this.wholeDemand = 0;
    if (this.demand.size === 0) return;
    for (const each of this.workers.list) this.wholeDemand += this.demand.get(each) ?? 0;
  }

  /** Whether the worker must be told its share, even if the report came from another one. */
  isNews(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit) / 2);
    if (lease === undefined) return true;
    if (lease.isCut && !this.awaitsAnswers()) return true;
    return Math.abs(lease.fraction - this.fractionOf(worker)) > notable;
  }

  /** Whether some worker has not yet confirmed a smaller share, and may still spend the larger one. */
  private awaitsAnswers(): boolean {
    for (const each of this.workers.list) if (this.leases.get(each)?.fewer !== undefined) return true;
    return false;
  }

  /** Whether the worker may be told now; false: it was told too often, and is told after a later report. */
  mayTell(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit));
    return lease === undefined || now - lease.paceSince >= paceMs || lease.toldSince < mostTold;
  }

  /** Whether the worker got less than its part because others may have spent it. */
  isCut(worker: number): boolean {
    return this.leases.get(worker)?.isCut === true;
  }

  /** Whether the worker holds tokens that another one needs more, and was not told of a smaller share yet. */
  holdsTooMuch(worker: number, level: number, now: number): boolean {
    const lease = this.leases.get(worker);
    if (lease?.fewer !== undefined) return false;
    return this.heldBy(worker, now) > Math.max(1, this.fractionOf(worker) * level) + negligible;
  }

  /** Returns the share of a worker in a bucket with `level` tokens left, and records it as told. */
  shareOf(worker: number, key: string, level: number, now: number): Share {
    const fraction = this.fractionOf(worker);
    const wanted = fraction * level;
    const tokens =
      level <= 0 ? wanted : Math.min(wanted, Math.max(0, level - this.heldByOthers(worker, now)));
    // So a client that moves to another worker is not turned away while tokens are left.
    const told = this.isIdle(fraction) && level >= 1 ? Math.max(1, tokens) : tokens;
    const held = this.heldBy(worker, now);
    const isLess = told < held;
    const last = this.leases.get(worker);
    const continues = last !== undefined && now - last.paceSince < paceMs;
    this.leases.set(worker, {
      fraction,
      at: now,
      tokens: isLess ? held : told,
      fewer: isLess ? told : undefined,
      isCut: wanted - told > negligible,
      paceSince: continues ? last.paceSince : now,
      toldSince: continues ? last.toldSince + 1 : 1,
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

  /** What a worker was told, if not longer than `ms` ago; a worker that replaced another one was told nothing. */
  private leaseOf(worker: number, now: number, ms: number): Lease | undefined {
    const lease = this.leases.get(worker);
    const startedAt = this.workers.startedAt.get(worker) ?? 0;
    return lease !== undefined && lease.at >= startedAt && now - lease.at < ms ? lease : undefined;
  }

  /** What a worker may spend before it hears anything new. */
  private heldBy(worker: number, now: number): number {
    const { perMs, burst } = this.limit;
    const lease = this.leaseOf(worker, now, refillTime(this.limit));
    if (lease === undefined) return Math.max(1, burst / this.workers.count);
    const room = Math.max(1, burst * lease.fraction, lease.tokens);
    return Math.min(room, Math.max(0, lease.tokens) + (now - lease.at) * perMs * lease.fraction);
  }

  /** Without the one token that each worker may keep for a client that is new to it. */
  private heldByOthers(worker: number, now: number): number {
    let held = 0;
    for (const each of this.workers.list) {
      const own = each === worker ? 0 : this.heldBy(each, now);
      if (own > 1) held += own;
    }
    return held;
  }
}

/** Short in JSON, and rounded down. */
const rounded = (value: number): number => Math.floor(value * 10_000) / 10_000;
