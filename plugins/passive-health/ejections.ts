// Ejections: the manager's decisions on which upstreams are ejected from their pools, for how long, and how they come back.
import type { Logger } from 'pino';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { Upstream, UpstreamRecord } from '../../core/pool/pool.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';

/** The limits on time and number. */
export interface EjectionLimits {
  /** The first ejection of an upstream, ms; each further one takes twice as long, up to `maxEjection`. */
  readonly ejection: number;
  readonly maxEjection: number;
  /** The share of a pool, from 0 to 1, that may be ejected at once. */
  readonly maxEjected: number;
}

/** The collaborators of ejections. */
export interface EjectionsOptions {
  readonly pools: ManagerPools;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: EjectionLimits;
  /** Called for each ejection. */
  ejected?(pool: string, id: string): void;
  /** Announces to the workers that a probation began or ended. */
  announce(pool: string, id: string, probation: 'begins' | 'ends'): void;
}

/** One upstream that is ejected or on probation, or recently was. */
export interface Ejection {
  readonly pool: string;
  readonly id: string;
  phase: 'out' | 'probation' | 'back';
  /** How often the time was doubled. */
  doublings: number;
  /** When the phase ends or, once back, began; ms of the monotonic clock. */
  at: number;
}

const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** All ejections of one config. `kept` outlives it: the next config continues from there. */
export class Ejections {
  private readonly options: EjectionsOptions;
  private readonly kept: Map<string, Ejection>;
  private readonly timers = new Map<Ejection, CancelTimer>();
  /** The number of upstreams that are ejected or on probation, by pool. */
  private readonly outOf = new Map<string, number>();
  /** The number of usable upstreams by pool, cached: complaints about 10,000 may arrive at the same time. */
  private readonly members = new Map<string, number>();

  constructor(options: EjectionsOptions, kept: Map<string, Ejection>) {
    this.options = options;
    this.kept = kept;
  }

  /** Resumes the ejections of an earlier config. */
  resume(): void {
    const now = this.options.clock.monotonic();
    for (const ejection of [...this.kept.values()]) {
      const { pool, id } = ejection;
      if (this.options.pools.get(pool, id) === undefined) {
        this.kept.delete(keyOf(pool, id));
      } else if (this.options.pools.complaint(pool, id) !== undefined) {
        this.count(ejection.pool, 1);
        if (ejection.phase === 'out') this.wait(ejection, ejection.at - now, () => this.try(ejection));
        else this.try(ejection);
      } else {
        ejection.phase = 'back';
      }
    }
  }

  close(): void {
    for (const cancel of this.timers.values()) cancel();
    this.timers.clear();
  }

  /** Ejects an available upstream about which a worker complains. False: it stays, because of the limits. */
  eject(poolName: string, id: string, complaint: string): boolean {
    const { pools, clock, limits } = this.options;
    const upstream = pools.get(poolName, id)?.upstream;
    if (upstream?.state !== 'active' || !this.permits(poolName)) return false;
    const key = keyOf(poolName, id);
    const earlier = this.kept.get(key);
    if (earlier !== undefined && earlier.phase !== 'back') return false;
    const ejection = earlier ?? { pool: poolName, id, phase: 'out', doublings: 0, at: 0 };
    if (earlier !== undefined) {
      const forgiven = Math.floor((clock.monotonic() - earlier.at) / limits.ejection);
      ejection.doublings = Math.max(0, earlier.doublings + 1 - forgiven);
    }
    this.kept.set(key, ejection);
    this.count(poolName, 1);
    this.takeOut(ejection, complaint);
    return true;
  }

  /** A worker has sent the first request of a probation: its outcome decides, however long it takes. */
  begun(pool: string, id: string): void {
    const ejection = this.kept.get(keyOf(pool, id));
    if (ejection?.phase !== 'probation') return;
    this.wait(ejection, this.options.limits.maxEjection, () => this.bringBack(ejection, 'untried'));
  }

  passed(pool: string, id: string): void {
    const ejection = this.kept.get(keyOf(pool, id));
    if (ejection?.phase === 'probation') this.bringBack(ejection, 'passed probation');
  }

  failed(pool: string, id: string): void {
    const ejection = this.kept.get(keyOf(pool, id));
    if (ejection?.phase !== 'probation') return;
    ejection.doublings++;
    this.options.announce(pool, id, 'ends');
    this.takeOut(ejection, 'failed on probation');
  }

  /** Handles an upstream that is new or has changed. */
  changed({ pool, record }: Upstream, before: UpstreamRecord | undefined): void {
    if (before === undefined || isMember(before) !== isMember(record)) this.members.delete(pool);
  }

  /** Forgets an upstream that has left its pool. */
  forget(upstream: Upstream): void {
    this.members.delete(upstream.pool);
    const key = keyOf(upstream.pool, upstream.id);
    const ejection = this.kept.get(key);
    if (ejection === undefined) return;
    this.timers.get(ejection)?.();
    this.timers.delete(ejection);
    this.kept.delete(key);
    if (ejection.phase !== 'back') this.count(ejection.pool, -1);
  }

  /** Brings back the ejected upstreams of a pool when no other one is available. */
  keepOne(pool: string): void {
    if (this.outIn(pool) === 0 || this.availableIn(pool) > 0) return;
    for (const ejection of [...this.kept.values()]) {
      if (ejection.pool === pool && ejection.phase !== 'back') {
        this.bringBack(ejection, 'no other server is available');
      }
    }
  }

  /** Yields the upstreams on probation, for a new worker. */
  *onProbation(): Generator<Ejection> {
    for (const ejection of this.kept.values()) if (ejection.phase === 'probation') yield ejection;
  }

  private permits(pool: string): boolean {
    if (this.othersIn(pool) < 1) return false;
    return this.outIn(pool) < Math.max(1, Math.floor(this.membersOf(pool) * this.options.limits.maxEjected));
  }

  private availableIn(pool: string): number {
    return this.options.pools.counts(pool)?.available ?? 0;
  }

  /** How many would be left if an available upstream were ejected; backups would step in. */
  private othersIn(pool: string): number {
    return this.availableIn(pool) - 1 + (this.options.pools.counts(pool)?.standby ?? 0);
  }

  private outIn(pool: string): number {
    return this.outOf.get(pool) ?? 0;
  }

  private count(pool: string, change: 1 | -1): void {
    this.outOf.set(pool, (this.outOf.get(pool) ?? 0) + change);
  }

  private membersOf(pool: string): number {
    const known = this.members.get(pool);
    if (known !== undefined) return known;
    let count = 0;
    for (const { upstream } of this.options.pools.list(pool)) if (isMember(upstream.record)) count++;
    this.members.set(pool, count);
    return count;
  }

  private takeOut(ejection: Ejection, complaint: string): void {
    const { pools, clock, log, limits } = this.options;
    const { pool, id } = ejection;
    const ms = Math.min(limits.ejection * 2 ** ejection.doublings, limits.maxEjection);
    ejection.phase = 'out';
    ejection.at = clock.monotonic() + ms;
    this.wait(ejection, ms, () => this.try(ejection));
    log.warn({ pool, upstream: id, ms }, `ejected an upstream: ${complaint}`);
    pools.verdict(pool, id, `${complaint}; out for ${ms} ms`);
    this.options.ejected?.(pool, id);
  }

  private try(ejection: Ejection): void {
    const { pools, log, limits, announce } = this.options;
    const { pool, id } = ejection;
    const entry = pools.get(pool, id);
    if (entry === undefined) return;
    if (entry.complaints.size > 1) {
      this.bringBack(ejection, 'another check decides');
      return;
    }
    ejection.phase = 'probation';
    this.wait(ejection, limits.ejection, () => this.bringBack(ejection, 'no request came for a trial'));
    log.info({ pool, upstream: id }, 'an upstream is on probation');
    pools.verdict(pool, id, 'on probation');
    announce(pool, id, 'begins');
  }

  private bringBack(ejection: Ejection, why: string): void {
    const { pools, clock, log, announce } = this.options;
    const { pool, id } = ejection;
    this.timers.get(ejection)?.();
    this.timers.delete(ejection);
    if (ejection.phase === 'probation') announce(pool, id, 'ends');
    this.count(pool, -1);
    ejection.phase = 'back';
    ejection.at = clock.monotonic();
    log.info({ pool, upstream: id }, `an upstream is back: ${why}`);
    pools.verdict(pool, id, undefined);
  }

  private wait(ejection: Ejection, ms: number, then: () => void): void {
    this.timers.get(ejection)?.();
    this.timers.set(ejection, this.options.clock.after(Math.max(0, ms), then));
  }
}

/** Returns whether the pool could use an upstream if it were healthy. */
function isMember({ state }: UpstreamRecord): boolean {
  return state === 'active' || state === 'down';
}
