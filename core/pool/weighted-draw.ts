// WeightedDraw: draws random upstreams of a pool in proportion to their weights, in O(1).
import type { Pool, Upstream } from './pool.ts';

const none: readonly Upstream[] = [];

/**
 * Draws by the alias method (Walker 1977, in Vose's form of 1991): each available upstream has a column of one size, which it
 * shares with at most one other, so a draw looks at one column. The first draw after a change of the pool builds the columns
 * again, in O(n); equal weights need none.
 *
 * @example const draw = new WeightedDraw(pool); draw.next(); // an upstream, or undefined: none is available
 */
export class WeightedDraw {
  private readonly pool: Pool;
  private readonly random: () => number;
  private version = -1;
  private upstreams = none;
  private isEven = true;
  /** The part of each column that is its own, 0 to 1, and the upstream that has the rest. */
  private own = new Float64Array(0);
  private other = new Uint32Array(0);

  /** `random`: numbers from 0 to below 1; default `Math.random`. */
  constructor(pool: Pool, random: () => number = Math.random) {
    this.pool = pool;
    this.random = random;
  }

  /** The upstreams to draw from. */
  get available(): readonly Upstream[] {
    if (this.version !== this.pool.version) this.prepare();
    return this.upstreams;
  }

  /** Returns one of the available upstreams; undefined: none is available. */
  next(): Upstream | undefined {
    const { length } = this.available;
    const place = this.random() * length;
    const column = Math.floor(place);
    if (this.isEven || place - column < (this.own[column] ?? 1)) return this.upstreams[column];
    return this.upstreams[this.other[column] ?? column];
  }

  /**
   * Returns one that is neither in `tried` nor `but`; undefined: there is none. When a few draws find none, as in a
   * pool that is nearly used up, it takes the first one from a random place on.
   */
  nextUntried(tried: readonly Upstream[], but?: Upstream): Upstream | undefined {
    for (let draws = 0; draws < maxDraws; draws++) {
      const upstream = this.next();
      if (upstream === undefined) return undefined;
      if (upstream !== but && !tried.includes(upstream)) return upstream;
    }
    return this.firstUntried(tried, but);
  }

  private firstUntried(tried: readonly Upstream[], but: Upstream | undefined): Upstream | undefined {
    const { length } = this.upstreams;
    const first = Math.floor(this.random() * length);
    for (let n = 0; n < length; n++) {
      const upstream = this.upstreams[(first + n) % length];
      if (upstream !== undefined && upstream !== but && !tried.includes(upstream)) return upstream;
    }
    return undefined;
  }

  private prepare(): void {
    this.version = this.pool.version;
    this.upstreams = this.pool.available;
    const [first] = this.upstreams;
    this.isEven = this.upstreams.every(({ weight }) => weight === first?.weight);
    if (!this.isEven) this.fill(this.upstreams);
  }

  private fill(upstreams: readonly Upstream[]): void {
    const { length } = upstreams;
    if (this.own.length !== length) {
      this.own = new Float64Array(length);
      this.other = new Uint32Array(length);
    }
    const { own, other } = this;
    let total = 0;
    for (const { weight } of upstreams) total += weight;
    const low: number[] = [];
    const high: number[] = [];
    for (const [n, { weight }] of upstreams.entries()) {
      own[n] = (weight * length) / total;
      (weight * length < total ? low : high).push(n);
    }
    // Each column that is not full takes its rest from one that has too much.
    for (let needy = low.pop(); needy !== undefined; needy = low.pop()) {
      const rich = high.pop();
      if (rich === undefined) {
        // Left over by rounding.
        own[needy] = 1;
        continue;
      }
      other[needy] = rich;
      const left = (own[rich] ?? 0) + (own[needy] ?? 0) - 1;
      own[rich] = left;
      (left < 1 ? low : high).push(rich);
    }
    for (const n of high) own[n] = 1;
  }
}

/** Enough draws to find an untried one, unless those that were tried have most of the weight. */
const maxDraws = 8;
