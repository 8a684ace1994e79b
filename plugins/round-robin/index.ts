// round-robin: spreads requests smoothly by weight, at the same cost for any number of upstreams.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { Rotation } from './rotation.ts';
import { SlowStart } from './slow-start.ts';

const options = z
  .strictObject({
    slowStart: duration()
      .prefault(0)
      .describe(
        'How long a new or returning server takes to grow from a tenth of its weight to all of it; 0: it gets its full share at once.',
      ),
  })
  .describe('Chooses servers in turn, by weight.');

/** The options of `roundRobin`, as written in a config. */
export type RoundRobinOptions = z.input<typeof options>;

/**
 * Chooses upstreams in turn, by weight: `roundRobin({ slowStart: '30s' })`. A retry gets an upstream that has not been tried,
 * if one is left.
 */
export const roundRobin = definePlugin({
  name: 'round-robin',
  role: 'balancer',
  schema: options,
  worker({ hooks, clock, id, onClose }, { slowStart: rampMs }) {
    const rotations = new Map<Pool, Rotation>();
    const stops: (() => void)[] = [];
    const follow = (pool: Pool): Rotation => {
      const rotation = new Rotation();
      const update = (upstream: Upstream) => {
        if (upstream.available) rotation.put(upstream, slowStart.weightOf(upstream));
        else rotation.remove(upstream);
      };
      const slowStart = new SlowStart(clock, rampMs, upstream => {
        if (pool.get(upstream.id) === upstream) update(upstream);
      });
      for (const upstream of beginningElsewhere([...pool], id)) update(upstream);
      const removed = (upstream: Upstream) => rotation.remove(upstream);
      stops.push(pool.observe({ added: update, changed: update, removed }), () => slowStart.close());
      rotations.set(pool, rotation);
      return rotation;
    };
    hooks.selectUpstream.tap('round-robin', ctx => {
      const rotation = rotations.get(ctx.pool) ?? follow(ctx.pool);
      return ctx.rehearsal ? rotation.foresee(ctx.tried) : rotation.choose(ctx.tried);
    });
    onClose(() => {
      for (const stop of stops) stop();
    });
  },
});

// Multiples of the golden ratio, modulo 1, lie far apart however many there are.
const goldenRatio = 0.618034;

/** Rotates the order by worker: if all began with the same upstream, it would get all their first requests at once. */
function beginningElsewhere(upstreams: readonly Upstream[], worker: number): Upstream[] {
  const first = Math.floor((((worker - 1) * goldenRatio) % 1) * upstreams.length);
  return [...upstreams.slice(first), ...upstreams.slice(0, first)];
}
