// least-requests: gives each request to the least busy of a few upstreams drawn at random.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool } from '../../core/pool/pool.ts';
import { LeastBusy } from './least-busy.ts';

const options = z
  .strictObject({
    choices: z
      .number()
      .int()
      .min(2)
      .max(10)
      .default(2)
      .describe('How many servers are compared for each request.'),
  })
  .describe('Chooses the server with the fewest requests in flight among a few drawn at random by weight.');

/** The options of `leastRequests`, as written in a config. */
export type LeastRequestsOptions = z.input<typeof options>;

/**
 * Keeps requests away from busy upstreams: `leastRequests()`. Of two upstreams drawn at random it chooses the one with fewer
 * requests in flight for its weight: the power of two choices. A retry gets an upstream that has not been tried, if one is
 * left.
 */
export const leastRequests = definePlugin({
  name: 'least-requests',
  role: 'balancer',
  schema: options,
  worker({ hooks }, { choices }) {
    const pools = new WeakMap<Pool, LeastBusy>();
    hooks.selectUpstream.tap('least-requests', ({ pool, tried }) => {
      let leastBusy = pools.get(pool);
      if (leastBusy === undefined) {
        leastBusy = new LeastBusy(pool, choices);
        pools.set(pool, leastBusy);
      }
      return leastBusy.choose(tried);
    });
  },
});
