// peak-ewma: gives requests to upstreams that answer soon.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import type { Attempt } from '../../core/request/attempt.ts';
import { duration } from '../../core/settings/duration.ts';
import { Fastest } from './fastest.ts';

const options = z
  .strictObject({
    decay: duration()
      .refine(ms => ms >= 100, 'a decay is at least 100ms')
      .prefault('10s')
      .describe('How fast a slow answer is forgotten: in this time it counts for a third.'),
    failurePenalty: duration()
      .prefault('1s')
      .describe('A request that failed counts like one that took at least so long.'),
  })
  .describe('Chooses the server that answers sooner, of two that chance chose by weight.');

/** What `peakEwma` takes, as people write it. */
export type PeakEwmaOptions = z.input<typeof options>;

/** An upstream which answers these soon is not fast, it does not work. */
const failures: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/**
 * The plugin that goes by latency: `peakEwma()`. Of two upstreams that chance chose it takes the one whose latency, times the
 * requests in flight, is lower. A retry gets an upstream that was not tried while there is one.
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

/** Latency is the time until the response head: a long body is nobody's fault. */
function learn(
  fastest: Fastest,
  upstream: Upstream,
  { startedAt, respondedAt, finishedAt, status, error }: Attempt,
  { failurePenalty, now }: { readonly failurePenalty: number; readonly now: number },
): void {
  const latency = (respondedAt > 0 ? respondedAt : finishedAt) - startedAt;
  const hasFailed = respondedAt > 0 ? failures.has(status) : error?.countsAgainstHealth === true;
  if (hasFailed) fastest.observe(upstream, Math.max(latency, failurePenalty), now);
  // Who was given up on would have taken longer still.
  else if (respondedAt > 0 || latency > fastest.latencyOf(upstream, now))
    fastest.observe(upstream, latency, now);
}
