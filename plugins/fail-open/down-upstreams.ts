// DownUpstreams: takes turns among the upstreams of a pool that are down.
import type { Pool, Upstream } from '../../core/pool/pool.ts';

/** The upstreams of one pool that are down, without those that are draining or disabled. */
export class DownUpstreams {
  private readonly pool: Pool;
  private version = -1;
  private list: readonly Upstream[] = [];
  private next = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** Returns the next one that is not in `tried`, or the next one if all are; undefined when none is down. */
  choose(tried: readonly Upstream[]): Upstream | undefined {
    const place = this.placeFor(tried);
    this.next = (place + 1) % Math.max(1, this.list.length);
    return this.list[place];
  }

  /** Returns what {@link choose} would, without using up the turn. */
  foresee(tried: readonly Upstream[]): Upstream | undefined {
    return this.list[this.placeFor(tried)];
  }

  private placeFor(tried: readonly Upstream[]): number {
    const { pool } = this;
    if (this.version !== pool.version) {
      this.version = pool.version;
      this.list = [...pool].filter(upstream => upstream.state === 'down');
      this.next %= Math.max(1, this.list.length);
    }
    const { list, next } = this;
    for (let i = 0; i < list.length; i++) {
      const place = (next + i) % list.length;
      const upstream = list[place];
      if (upstream !== undefined && !tried.includes(upstream)) return place;
    }
    return next;
  }
}
