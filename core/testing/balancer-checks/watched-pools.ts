// Watched pools: pools that count how often upstreams are looked at.
import { Pool, Upstream, type UpstreamRecord } from '../../pool/pool.ts';
import { Pools } from '../../pool/pools.ts';

/** Counts what is looked at. */
export class Reads {
  count = 0;
  /**
   * Counts each look at an upstream: into `available`, along a pool, and at an upstream's changing properties.
   */
  readonly pools: Pools = watchedPools(this);
  private readonly species = this.speciesOf();
  private readonly lists = new WeakMap<readonly Upstream[], readonly Upstream[]>();

  /** The same list, with each read counted, also in lists that are made of it by `map`, `filter`, `slice`. */
  watched(list: readonly Upstream[]): readonly Upstream[] {
    const known = this.lists.get(list);
    if (known !== undefined) return known;
    const watched = this.watch(list);
    this.lists.set(list, watched);
    return watched;
  }

  private watch<T extends object>(list: T): T {
    return new Proxy(list, {
      get: (target, key) => {
        if (key === 'constructor') return this.species;
        if (key !== 'length') this.count++;
        const value: unknown = Reflect.get(target, key);
        return value;
      },
      ownKeys: target => {
        const keys = Reflect.ownKeys(target);
        this.count += keys.length;
        return keys;
      },
    });
  }

  /** What `map` and the like make their lists with (ECMA-262, ArraySpeciesCreate). */
  private speciesOf(): object {
    const watch = (list: unknown[]): unknown[] => this.watch(list);
    function Derived(length: number): unknown[] {
      return watch(new Array<unknown>(length));
    }
    return { [Symbol.species]: Derived };
  }
}

/** Pools, upstreams and their prototypes are frozen, so counting is done in derived classes. */
function watchedPools(reads: Reads): Pools {
  class WatchedUpstream extends Upstream {
    constructor(pool: string, record: UpstreamRecord) {
      super(pool, record);
      const { id } = this;
      const get = (): string => {
        reads.count++;
        return id;
      };
      Object.freeze(Object.defineProperty(this, 'id', { get }));
    }

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

    override get(id: string): Upstream | undefined {
      reads.count++;
      return super.get(id);
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
