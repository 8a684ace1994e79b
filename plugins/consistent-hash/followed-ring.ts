// FollowedRing: the ring of one pool, which follows its changes, a slice of the work at a time.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { Ring } from './ring.ts';

/** The longest that one slice of the work may take, ms. */
const sliceTime = 2;
/** How many points a choice looks at before it takes the first upstream after all. */
const patience = 128;

/**
 * Changes take effect at once, unless there are so many that they would hold up requests: those are applied in slices,
 * between which the event loop turns. A new upstream gets no request before its turn.
 */
export class FollowedRing {
  private readonly pool: Pool;
  private readonly balance: number;
  private readonly ring = new Ring();
  /** The weight with which each upstream is on the ring. */
  private readonly on = new Map<Upstream, number>();
  private readonly changed = new Set<Upstream>();
  private readonly stop: () => void;
  private readonly idle: (() => void)[] = [];
  private slice: NodeJS.Immediate | undefined = undefined;
  private spent = 0;
  private tried: readonly Upstream[] = [];
  private room = 0;

  /** @param balance how many requests in flight an upstream may have, as a multiple of its share */
  constructor(pool: Pool, balance: number) {
    this.pool = pool;
    this.balance = balance;
    const follow = (upstream: Upstream): void => this.follow(upstream);
    this.stop = pool.observe({ added: follow, changed: follow, removed: follow });
    for (const upstream of pool) this.follow(upstream);
  }

  /** Resolves when all changes so far have been applied. */
  settled(): Promise<void> {
    if (this.slice === undefined || !this.hasWork) return Promise.resolve();
    return new Promise(resolve => this.idle.push(resolve));
  }

  close(): void {
    this.stop();
    clearImmediate(this.slice);
    for (const resolve of this.idle.splice(0)) resolve();
  }

  /**
   * Returns the owner of the key, or the next upstream on the ring if the owner has no room or is in `tried`. If the next points
   * lead to no upstream with room, returns the owner after all. Undefined: none is available.
   */
  choose(key: number, tried: readonly Upstream[]): Upstream | undefined {
    if (this.changed.size > 0) this.applyNext();
    const { pool, ring } = this;
    // Half a request more for each: with few requests, two meet so often by chance that hardly any key would stay in place.
    this.room = (this.balance * (pool.inFlight + pool.available.length / 2)) / ring.weight;
    this.tried = tried;
    const chosen = ring.find(key, this.accepts, patience);
    if (chosen?.available && !this.isChanging(chosen)) return chosen;
    // A large change is being applied.
    const { available } = pool;
    return available[key % available.length];
  }

  private readonly accepts = (upstream: Upstream): boolean =>
    upstream.available &&
    !this.isChanging(upstream) &&
    !upstream.full &&
    upstream.inFlight < Math.max(1, this.room * upstream.weight) &&
    (this.tried.length === 0 || !this.tried.includes(upstream));

  private isChanging(upstream: Upstream): boolean {
    return this.changed.size > 0 && this.changed.has(upstream);
  }

  private follow(upstream: Upstream): void {
    this.changed.add(upstream);
    if (this.spent < sliceTime) this.work();
    this.slice ??= setImmediate(this.next);
  }

  private readonly next = (): void => {
    this.slice = undefined;
    this.spent = 0;
    this.work();
    if (this.hasWork) this.slice = setImmediate(this.next);
    else for (const resolve of this.idle.splice(0)) resolve();
  };

  private work(): void {
    const began = performance.now() - this.spent;
    const isOver = (): boolean => {
      this.spent = performance.now() - began;
      return this.spent >= sliceTime;
    };
    // A single walk: another one would pass all removed entries again.
    for (const upstream of this.changed) {
      this.changed.delete(upstream);
      this.apply(upstream);
      if (isOver()) return;
    }
    while (this.ring.isExcessive && !isOver()) this.ring.trim();
  }

  private get hasWork(): boolean {
    return this.changed.size > 0 || this.ring.isExcessive;
  }

  private applyNext(): void {
    for (const upstream of this.changed) {
      this.changed.delete(upstream);
      this.apply(upstream);
      return;
    }
  }

  private apply(upstream: Upstream): void {
    const weight =
      upstream.available && this.pool.get(upstream.id) === upstream ? upstream.weight : undefined;
    const known = this.on.get(upstream);
    if (known === weight) return;
    if (known !== undefined) {
      this.on.delete(upstream);
      this.ring.remove(upstream);
    }
    if (weight === undefined) return;
    this.on.set(upstream, weight);
    this.ring.add(upstream, weight);
  }
}
