// fail-open: when no upstream of a pool is available, tries those that are down instead of answering 503.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool } from '../../core/pool/pool.ts';
import { DownUpstreams } from './down-upstreams.ts';

const options = z
  .strictObject({})
  .describe('Tries servers that are down when no other is available, instead of answering 503.');

/**
 * Tries servers that are down when no other is available: `failOpen()`. It has no options.
 */
export const failOpen = definePlugin({
  name: 'fail-open',
  schema: options,
  worker({ hooks }) {
    const byPool = new WeakMap<Pool, DownUpstreams>();
    const downOf = (pool: Pool): DownUpstreams => {
      const down = byPool.get(pool) ?? new DownUpstreams(pool);
      byPool.set(pool, down);
      return down;
    };
    // After all balancers, wherever they are listed: it is asked when none of them found an upstream.
    hooks.selectUpstream.tap({ name: 'fail-open', stage: 1 }, ctx => {
      const { pool } = ctx;
      if (pool.available.length > 0 || pool.size === 0) return undefined;
      const down = downOf(pool);
      return ctx.rehearsal ? down.foresee(ctx.tried) : down.choose(ctx.tried);
    });
  },
});
