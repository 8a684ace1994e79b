// A pool that a check watches: whether its array is kept or changed, and how much of it is looked at.
import { type Pool, Upstream } from '../../pool/pool.ts';

/** Has a pool give another array of `available` after each change; who kept the one of before has what was. */
export function handOutCopies(pool: Pool): void {
  const live = pool.available;
  let version = pool.version;
  let copy: readonly Upstream[] = [...live];
  Object.defineProperty(pool, 'available', {
    configurable: true,
    get() {
      if (version !== pool.version) {
        version = pool.version;
        copy = [...live];
      }
      return copy;
    },
  });
}

/** Counts what is looked at. */
export class Reads {
  count = 0;

  /**
   * Counts each look at an upstream of this pool: into `available`, along the pool, and at what changes in an
   * upstream, wherever it is kept.
   */
  watch(pool: Pool): void {
    const { available } = pool;
    const watched = this.watchList(available);
    const iterate = pool[Symbol.iterator].bind(pool);
    for (const upstream of available) this.watchUpstream(upstream);
    Object.defineProperty(pool, 'available', { configurable: true, get: () => watched });
    Object.defineProperty(pool, Symbol.iterator, {
      configurable: true,
      value: () => this.countEach(iterate()),
    });
  }

  /** A list of which each read counts. */
  watchList(list: readonly Upstream[]): readonly Upstream[] {
    return new Proxy(list, {
      get: (target, key) => {
        if (key !== 'length') this.count++;
        const value: unknown = Reflect.get(target, key);
        return value;
      },
    });
  }

  private *countEach(upstreams: Iterable<Upstream>): IterableIterator<Upstream> {
    for (const upstream of upstreams) {
      this.count++;
      yield upstream;
    }
  }

  /** State, weight and availability are all read from the record. */
  private watchUpstream(upstream: Upstream): void {
    let { record } = upstream;
    Object.defineProperty(upstream, 'record', {
      configurable: true,
      get: () => {
        this.count++;
        return record;
      },
      set: (changed: Upstream['record']) => {
        record = changed;
      },
    });
    Object.defineProperty(upstream, 'inFlight', {
      configurable: true,
      get: () => {
        this.count++;
        const inFlight: unknown = Reflect.get(Upstream.prototype, 'inFlight', upstream);
        return inFlight;
      },
    });
  }
}
