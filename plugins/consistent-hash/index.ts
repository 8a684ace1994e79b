// consistent-hash: sends what belongs together to the same upstream, and moves as little as possible when upstreams change.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { hashOf } from '../../core/pool/hash.ts';
import type { Pool } from '../../core/pool/pool.ts';
import { FollowedRing } from './followed-ring.ts';
import { hashKey, keyReader } from './hash-key.ts';

const options = z
  .strictObject({
    by: hashKey.default('client'),
    balance: z
      .number()
      .min(1.05)
      .max(100)
      .default(1.25)
      .describe(
        'How many requests in flight a server may have, as a multiple of its share, before others get its keys.',
      ),
  })
  .describe('Chooses servers by a hash of the request: what belongs together stays together.');

/** The options of `consistentHash`, as written in a config. */
export type ConsistentHashOptions = z.input<typeof options>;

/** The range of random keys, for requests without one. */
const anywhere = 2 ** 32;

/**
 * Chooses upstreams by a hash: `consistentHash({ by: { cookie: 'session' } })`. Workers and Weldrs that know the same
 * upstreams choose the same one. A request without the key goes to a random upstream, a retry to the next one on the ring.
 */
export const consistentHash = definePlugin({
  name: 'consistent-hash',
  role: 'balancer',
  schema: options,
  async worker({ hooks, pools, covers, onClose }, { by, balance }) {
    const rings = new Map<Pool, FollowedRing>();
    const keyOf = keyReader(by);
    const follow = (pool: Pool): FollowedRing => {
      const ring = new FollowedRing(pool, balance);
      rings.set(pool, ring);
      return ring;
    };
    // The ring of the last request: the next one is mostly for the same pool.
    let last: { readonly pool: Pool; readonly ring: FollowedRing } | undefined;
    hooks.selectUpstream.tap('consistent-hash', ctx => {
      const key = keyOf(ctx);
      const { pool } = ctx;
      if (last?.pool !== pool) last = { pool, ring: rings.get(pool) ?? follow(pool) };
      return last.ring.choose(
        key === undefined ? Math.floor(Math.random() * anywhere) : hashOf(key),
        ctx.tried,
      );
    });
    onClose(() => {
      for (const ring of rings.values()) ring.close();
    });
    // The upstreams known at the start are on the ring before the first request.
    for (const pool of pools) if (covers(pool.name) && pool.size > 0) follow(pool);
    await Promise.all([...rings.values()].map(ring => ring.settled()));
  },
});
