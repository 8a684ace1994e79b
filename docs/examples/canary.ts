// An example plugin for the stage `route`: a share of the clients, and requests with a header, go to another pool.
// A client keeps its pool, and a larger share adds clients to those already there.
import { hash } from 'node:crypto';
import { definePlugin } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** The pool of the new version. Give it `fallback: 'default'`, so that clients are served when it fails. */
  pool: z.string().min(1),
  /** The share of clients, by address. */
  percent: z.number().min(0).max(100),
  /** Overrides the share for a request: `always` or `never`. */
  header: z.string().min(1).default('X-Canary'),
});

export const canary = definePlugin({
  name: 'canary',
  schema: options,
  worker({ hooks, pools, route }, { pool, percent, header }) {
    const next = route('canary', pools.ensure(pool));
    hooks.route.tap('canary', ctx => {
      const wish = ctx.request.headers.get(header);
      if (wish === 'always') return next;
      return wish !== 'never' && shareOf(ctx.clientIp) < percent ? next : undefined;
    });

    /** Returns a number from 0 to below 100. It depends on the pool, so that different clients go first in each. */
    function shareOf(clientIp: string): number {
      return (Number.parseInt(hash('sha1', `${pool} ${clientIp}`).slice(0, 8), 16) / 2 ** 32) * 100;
    }
  },
});
