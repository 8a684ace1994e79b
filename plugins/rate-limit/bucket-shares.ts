// BucketShares: how much of one bucket each worker may spend, as the manager told it.
import { type Limit, refillTime, type Share } from './shares.ts';

/** What one worker was last told. */
interface Lease {
  /** The fraction of new tokens that it gets. */
  readonly fraction: number;
  readonly at: number;
  /** What it may have spent unseen since then, besides what `fraction` added. */
  tokens: number;
  /** The new, smaller number, once it has confirmed it. */
  fewer: number | undefined;
  /** Did it get less than its fraction because others held the rest? */
  readonly isCut: boolean;
  /** When the period began in which it was told this often, ms. */
  readonly paceSince: number;
  readonly toldSince: number;
}

/** The workers of a limit. */
export interface Workers {
  /** Those that run now. */
  list: readonly number[];
  /** The number of workers that share a bucket. */
  count: number;
  /** When each started, with an equal share of every bucket that it was told nothing about, ms. */
  readonly startedAt: ReadonlyMap<number, number>;
}

/** How fast demand fades, ms to 1/e. */
const memoryOfDemand = 1_000;
/** The part of new tokens that all idle workers together get, so that each has one again eventually. */
const idleShare = 0.05;
/** A worker is told when its fraction has changed by this much. */
const notable = 0.1;
/** Tokens that are not worth a message. */
const negligible = 0.5;
/** The most messages to a worker about one bucket within that many ms, however many requests its client sends. */
const mostTold = 3;
const paceMs = 50;

/** The shares of one bucket of which some worker needed more than an equal share. */
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

  /** Updates which workers run. */
  addUp(): void {
    this.wholeDemand = 0;
    if (this.demand.size === 0) return;
    for (const each of this.workers.list) this.wholeDemand += this.demand.get(each) ?? 0;
  }

  /** Must the worker be told, even if another one reported? */
  isNews(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit) / 2);
    if (lease === undefined) return true;
    if (lease.isCut && !this.awaitsAnswers()) return true;
    return Math.abs(lease.fraction - this.fractionOf(worker)) > notable;
  }

  /** Is there a worker that may still spend what it was told is gone? */
  private awaitsAnswers(): boolean {
    for (const each of this.workers.list) if (this.leases.get(each)?.fewer !== undefined) return true;
    return false;
  }

  /** May the worker be told now, or was it told too often? What is left out follows after a later report. */
  mayTell(worker: number, now: number): boolean {
    const lease = this.leaseOf(worker, now, refillTime(this.limit));
    return lease === undefined || now - lease.paceSince >= paceMs || lease.toldSince < mostTold;
  }

  /** Did the worker get less than its part because others may have spent it? */
  isCut(worker: number): boolean {
    return this.leases.get(worker)?.isCut === true;
  }

  /** Does the worker hold tokens that another one needs more, without having been told? */
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
    // A client that moves to another worker is not turned away there while tokens are left.
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

  /** What it was told, if not longer than `ms` ago; a worker that replaced another one was told nothing. */
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

  /** The one token that each may keep for a client new to it is not counted. */
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
