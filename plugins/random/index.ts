// random: spreads requests at random, in proportion to weights.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool } from '../../core/pool/pool.ts';
import { WeightedDraw } from '../../core/pool/weighted-draw.ts';

const options = z.strictObject({}).describe('Chooses servers at random, by weight.');

/**
 * Chooses upstreams at random, by weight: `random()`. A retry gets an upstream that has not been tried, if one is left.
 * Workers and Weldrs do not fall into step with each other.
 */
export const random = definePlugin({
  name: 'random',
  role: 'balancer',
  schema: options,
  worker({ hooks }) {
    const draws = new WeakMap<Pool, WeightedDraw>();
    hooks.selectUpstream.tap('random', ({ pool, tried }) => {
      let draw = draws.get(pool);
      if (draw === undefined) {
        draw = new WeightedDraw(pool);
        draws.set(pool, draw);
      }
      return tried.length === 0 ? draw.next() : (draw.nextUntried(tried) ?? draw.next());
    });
  },
});
