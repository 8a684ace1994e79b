// Watched pools: pools like any others, which count how often upstreams are looked at.
import { Pool, Pools, Upstream, type UpstreamRecord } from '../../pool/pool.ts';

/** Counts what is looked at. */
export class Reads {
  count = 0;
  /**
   * Each look at an upstream counts: into `available`, along a pool, and at what changes in an upstream, wherever it is
   * kept.
   */
  readonly pools: Pools = watchedPools(this);
  private readonly lists = new WeakMap<readonly Upstream[], readonly Upstream[]>();

  /** The same list, of which each read counts. */
  watched(list: readonly Upstream[]): readonly Upstream[] {
    const known = this.lists.get(list);
    if (known !== undefined) return known;
    const watched = new Proxy(list, {
      get: (target, key) => {
        if (key !== 'length') this.count++;
        const value: unknown = Reflect.get(target, key);
        return value;
      },
    });
    this.lists.set(list, watched);
    return watched;
  }
}

/** Pools, upstreams and their prototypes are frozen: what counts stands in classes of its own. */
function watchedPools(reads: Reads): Pools {
  class WatchedUpstream extends Upstream {
    override get record(): UpstreamRecord {
      reads.count++;
      return super.record;
    }

    override get inFlight(): number {
      reads.count++;
      return super.inFlight;
    }

    override get state(): Upstream['state'] {
      reads.count++;
      return super.state;
    }

    override get weight(): number {
      reads.count++;
      return super.weight;
    }

    override get available(): boolean {
      reads.count++;
      return super.available;
    }
  }

  class WatchedPool extends Pool {
    override get available(): readonly Upstream[] {
      return reads.watched(super.available);
    }

    override *[Symbol.iterator](): IterableIterator<Upstream> {
      for (const upstream of super[Symbol.iterator]()) {
        reads.count++;
        yield upstream;
      }
    }

    override makeUpstream(record: UpstreamRecord): Upstream {
      return new WatchedUpstream(this.name, record);
    }
  }

  class WatchedPools extends Pools {
    override makePool(name: string): Pool {
      return new WatchedPool(name);
    }
  }

  return new WatchedPools();
}
