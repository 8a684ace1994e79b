// peak-ewma: gives requests to the upstreams that respond fastest.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import { Fastest } from './fastest.ts';

const options = z
  .strictObject({
    decay: duration()
      .refine(ms => ms >= 100, 'a decay is at least 100ms')
      .prefault('10s')
      .describe('How fast a slow response is forgotten: after this time it counts for 37 %.'),
    failurePenalty: duration()
      .prefault('1s')
      .describe('A failed request counts as if it had taken at least this long.'),
  })
  .describe('Chooses the faster of two servers drawn at random by weight.');

/** The options of `peakEwma`, as written in a config. */
export type PeakEwmaOptions = z.input<typeof options>;

/** Statuses that count as failures: an upstream that returns them quickly is not fast but broken. */
const failures: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/**
 * Chooses by latency: `peakEwma()`. Of two upstreams drawn at random it takes the one whose latency times the requests in
 * flight is lower. A retry gets an upstream that has not been tried, if one is left.
 */
export const peakEwma = definePlugin({
  name: 'peak-ewma',
  role: 'balancer',
  schema: options,
  worker({ hooks, clock }, { decay, failurePenalty }) {
    const pools = new WeakMap<Pool, Fastest>();
    const of = (pool: Pool): Fastest => {
      let fastest = pools.get(pool);
      if (fastest === undefined) {
        fastest = new Fastest(pool, decay);
        pools.set(pool, fastest);
      }
      return fastest;
    };
    hooks.selectUpstream.tap('peak-ewma', ({ pool, tried }) => of(pool).choose(tried, clock.monotonic()));
    hooks.attemptFinished.tap('peak-ewma', ctx => {
      if (ctx.rehearsal) return;
      const { upstream, attempt, pool } = ctx;
      const fastest = pools.get(pool);
      if (upstream !== undefined && attempt !== undefined && fastest !== undefined) {
        learn(fastest, upstream, attempt, { failurePenalty, now: clock.monotonic() });
      }
    });
  },
});

/** Latency is the time until the response head: a long body does not count against an upstream. */
function learn(
  fastest: Fastest,
  upstream: Upstream,
  { startedAt, respondedAt, finishedAt, status, error }: Attempt,
  { failurePenalty, now }: { readonly failurePenalty: number; readonly now: number },
): void {
  const latency = (respondedAt > 0 ? respondedAt : finishedAt) - startedAt;
  const hasFailed = respondedAt > 0 ? failures.has(status) : error?.countsAgainstHealth === true;
  if (hasFailed) fastest.observe(upstream, Math.max(latency, failurePenalty), now);
  // An aborted request would have taken even longer.
  else if (respondedAt > 0 || latency > fastest.latencyOf(upstream, now))
    fastest.observe(upstream, latency, now);
}
