// LeastBusy: the power of two choices.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { WeightedDraw } from '../../core/pool/weighted-draw.ts';

/**
 * Draws a few upstreams by chance, in proportion to their weights, and takes the one with the fewest requests in flight for its
 * weight. Two are enough for the busiest of n upstreams to be ahead by O(log log n) requests instead of O(log n / log log n)
 * (Mitzenmacher: "The Power of Two Choices in Randomized Load Balancing", 2001), and who does not look at all of them does not
 * send everything to a newcomer. Of those that are equally busy the one that was drawn first is taken, so that weights
 * decide while nobody is busy.
 */
export class LeastBusy {
  private readonly draw: WeightedDraw;
  private readonly choices: number;

  /** `random`: numbers from 0 to below 1; default `Math.random`. */
  constructor(pool: Pool, choices: number, random?: () => number) {
    this.draw = new WeightedDraw(pool, random);
    this.choices = choices;
  }

  /** The least busy of some that are not among `tried`; when all were tried, any. Undefined: there is none. */
  choose(tried: readonly Upstream[]): Upstream | undefined {
    const { draw } = this;
    let best = draw.nextUntried(tried);
    if (best === undefined) return draw.next();
    for (let n = 1; n < this.choices; n++) {
      const rival = draw.nextUntried(tried, best);
      if (rival === undefined) break;
      if (loadOf(rival) < loadOf(best)) best = rival;
    }
    return best;
  }
}

const loadOf = ({ inFlight, weight }: Upstream): number => inFlight / weight;
