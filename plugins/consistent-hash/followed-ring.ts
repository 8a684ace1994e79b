// FollowedRing: the ring of one pool, kept as the pool is, a slice of the work at a time.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { Ring } from './ring.ts';

/** How long one slice of the work may take, ms. */
const sliceTime = 2;
/** How many points a choice looks at until it takes the first. */
const patience = 128;

/**
 * Changes are in force at once, unless there are so many that they would hold up requests: those are done in slices, between
 * which the event loop turns. Until its turn an upstream that came gets no request.
 */
export class FollowedRing {
  private readonly pool: Pool;
  private readonly balance: number;
  private readonly ring = new Ring();
  /** With what weight each one is on the ring. */
  private readonly on = new Map<Upstream, number>();
  private readonly changed = new Set<Upstream>();
  private readonly stop: () => void;
  private readonly idle: (() => void)[] = [];
  private slice: NodeJS.Immediate | undefined = undefined;
  private spent = 0;
  /** Requests in flight at the last count, and those given out since. */
  private counted = 0;
  private since = 0;
  private nextCount = 0;
  private tried: readonly Upstream[] = [];
  private room = 0;

  /** `balance`: how far above its share of the requests in flight an upstream may be. */
  constructor(pool: Pool, balance: number) {
    this.pool = pool;
    this.balance = balance;
    const follow = (upstream: Upstream): void => this.follow(upstream);
    this.stop = pool.observe({ added: follow, changed: follow, removed: follow });
    for (const upstream of pool) this.follow(upstream);
  }

  /** Resolves when all changes so far are in force. */
  settled(): Promise<void> {
    if (this.slice === undefined || this.changed.size === 0) return Promise.resolve();
    return new Promise(resolve => this.idle.push(resolve));
  }

  close(): void {
    this.stop();
    clearImmediate(this.slice);
    for (const resolve of this.idle.splice(0)) resolve();
  }

  /** Whose key it is, or the next one that is neither full nor among `tried`. Undefined: there is none. */
  choose(key: number, tried: readonly Upstream[]): Upstream | undefined {
    if (this.changed.size > 0) this.applyNext();
    if (this.nextCount-- <= 0) this.count();
    // Those that were given out since may all be finished by now: then there is more room than there need be.
    const { length } = this.pool.available;
    this.room = length === 0 ? 0 : (this.balance * (this.counted + ++this.since)) / this.ring.weight;
    this.tried = tried;
    const chosen = this.ring.find(key, this.accepts, patience);
    if (chosen?.available && !this.changed.has(chosen)) return chosen;
    // A great change is on its way.
    return this.pool.available[key % length];
  }

  private readonly accepts = (upstream: Upstream): boolean =>
    upstream.available &&
    !this.changed.has(upstream) &&
    !upstream.full &&
    upstream.inFlight < Math.max(1, this.room * upstream.weight) &&
    !this.tried.includes(upstream);

  /** One look at all of them for as many choices as there are. */
  private count(): void {
    const { available } = this.pool;
    this.counted = 0;
    for (const { inFlight } of available) this.counted += inFlight;
    this.since = 0;
    this.nextCount = available.length;
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
    if (this.changed.size > 0) this.slice = setImmediate(this.next);
    else for (const resolve of this.idle.splice(0)) resolve();
  };

  private work(): void {
    const began = performance.now() - this.spent;
    while (this.changed.size > 0 && this.spent < sliceTime) {
      this.applyNext();
      this.spent = performance.now() - began;
    }
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
      this.ring.remove(upstream, known);
    }
    if (weight === undefined) return;
    this.on.set(upstream, weight);
    this.ring.add(upstream, weight);
  }
}
