// least-requests: gives a request to the less busy one of a few upstreams that chance chose.
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
  .describe('Chooses the server with the fewest requests in flight, of a few that chance chose by weight.');

/** What `leastRequests` takes, as people write it. */
export type LeastRequestsOptions = z.input<typeof options>;

/**
 * The plugin that keeps requests away from busy upstreams: `leastRequests()`. It compares the requests in flight, for its weight,
 * of two upstreams that chance chose: the power of two choices. A retry gets an upstream that was not tried while there is one.
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
