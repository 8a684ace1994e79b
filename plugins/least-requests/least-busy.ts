// LeastBusy: the power of two choices.
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { WeightedDraw } from '../../core/pool/weighted-draw.ts';

/**
 * Draws a few upstreams at random, in proportion to their weights, and takes the one with the fewest requests in flight for
 * its weight. Two are enough for the busiest of n upstreams to be ahead by O(log log n) requests instead of O(log n / log log
 * n) (Mitzenmacher: "The Power of Two Choices in Randomized Load Balancing", 2001). Not looking at all of them avoids sending
 * everything to a newcomer. Among equally busy upstreams the first one drawn wins, so that weights decide while all are idle.
 */
export class LeastBusy {
  private readonly draw: WeightedDraw;
  private readonly choices: number;

  /** @param random returns a number from 0 to below 1; default `Math.random` */
  constructor(pool: Pool, choices: number, random?: () => number) {
    this.draw = new WeightedDraw(pool, random);
    this.choices = choices;
  }

  /** Returns the least busy of those drawn that are not in `tried`; any if all were tried; undefined if there is none. */
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
