// DownUpstreams: takes turns among the upstreams of a pool that are down.
import type { Pool, Upstream } from '../../core/pool/pool.ts';

/** The upstreams of one pool that are down; not those that drain or that an operator disabled. */
export class DownUpstreams {
  private readonly pool: Pool;
  private version = -1;
  private list: readonly Upstream[] = [];
  private next = 0;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  /** The next one that is not among `tried`, or the next one if all are; undefined when none is down. */
  choose(tried: readonly Upstream[]): Upstream | undefined {
    const { pool } = this;
    if (this.version !== pool.version) {
      this.version = pool.version;
      this.list = [...pool].filter(upstream => upstream.state === 'down');
    }
    const { list } = this;
    for (let i = 0; i < list.length; i++) {
      const upstream = list[(this.next + i) % list.length];
      if (upstream === undefined || tried.includes(upstream)) continue;
      this.next = (this.next + i + 1) % list.length;
      return upstream;
    }
    this.next = (this.next + 1) % Math.max(1, list.length);
    return list[this.next];
  }
}
