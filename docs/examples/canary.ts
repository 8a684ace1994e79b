// An example plugin for the stage `route`: a share of the clients, and requests with a header, go to another pool.
// A client stays where it is, and with a larger share more clients join those that are there already.
import { hash } from 'node:crypto';
import { definePlugin } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Where the new version is. Give it `fallback: 'default'`, so that clients outlive it. */
  pool: z.string().min(1),
  /** Clients of a hundred, by address. */
  percent: z.number().min(0).max(100),
  /** Chooses by hand: `always`, `never`. */
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

    /** From 0 to below 100; another one for another pool, so that not always the same clients go first. */
    function shareOf(clientIp: string): number {
      return (Number.parseInt(hash('sha1', `${pool} ${clientIp}`).slice(0, 8), 16) / 2 ** 32) * 100;
    }
  },
});
