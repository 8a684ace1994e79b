// circuit-breaker: turns requests away while those before them fail, so that what is behind can recover.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { reply } from '../../core/request/reply.ts';
import { duration } from '../../core/settings/duration.ts';
import { type Change, Circuit } from './circuit.ts';
import { endOf } from './request-end.ts';

const options = z
  .strictObject({
    errorRate: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe('Opens at this share of bad ends within `window`, among `minRequests` or more.'),
    minRequests: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(20)
      .describe('Requests of one worker within `window` below which it stays closed.'),
    window: duration()
      .refine(ms => ms >= 100, 'a window is at least 100ms')
      .prefault('10s')
      .describe('How far back it looks.'),
    statuses: z
      .array(z.number().int().min(400).max(599))
      .max(200)
      .default([502, 503, 504])
      .describe('Statuses of servers that are bad ends.'),
    slow: duration()
      .refine(ms => ms >= 1, 'a limit is at least 1ms')
      .optional()
      .describe('Answers whose head takes longer are bad ends, too.'),
    rest: duration()
      .refine(ms => ms >= 10, 'a rest is at least 10ms')
      .prefault('10s')
      .describe('How long requests are turned away before some try again.'),
    passes: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(3)
      .describe('Trials that must go well, none of them badly, until it is closed again.'),
  })
  .describe('Turns requests away for a while when too many before them failed.');

/** What `circuitBreaker` takes, as people write it. */
export type CircuitBreakerOptions = z.input<typeof options>;

/**
 * The plugin that gives a service a rest: `circuitBreaker({ errorRate: 0.5, rest: '10s' })`, best within a pool or a `when`.
 * Single servers that fail are what passiveHealth is for.
 */
export const circuitBreaker = definePlugin({
  name: 'circuit-breaker',
  schema: options,
  worker({ hooks, clock, log, metrics }, parsed) {
    const circuit = new Circuit(parsed);
    const bad = { statuses: new Set(parsed.statuses), slow: parsed.slow };
    // Of this instance: a request may pass several of them.
    const trial = contextSlot<boolean>('circuit-breaker.trial');
    const refused = metrics.counter({
      name: 'circuit_breaker_refused_total',
      help: 'Requests that were turned away.',
    });
    const open = metrics.gauge({
      name: 'circuit_breaker_open',
      help: 'Workers whose circuit is open or half-open.',
    });

    hooks.request.tap('circuit-breaker', ctx => {
      const now = clock.monotonic();
      const admission = ctx.rehearsal ? circuit.outlook(now) : circuit.admit(now);
      if (admission === 'passes') return undefined;
      if (admission === 'trial') {
        if (!ctx.rehearsal) ctx.set(trial, true);
        ctx.note('circuit-breaker: a trial');
        return undefined;
      }
      if (!ctx.rehearsal) refused.inc();
      const seconds = Math.max(1, Math.ceil(circuit.restLeft(now) / 1000));
      return reply(503, '503 too many requests failed, please come back later\n', {
        'Retry-After': String(seconds),
      });
    });

    hooks.finished.tap('circuit-breaker', ctx => {
      if (ctx.rehearsal) return;
      const isTrial = ctx.get(trial) === true;
      if (!isTrial && !circuit.isClosed) return;
      const now = clock.monotonic();
      const end = endOf(ctx, bad);
      if (!isTrial) say(circuit.counted(end, ctx.startedAt, now), now);
      else {
        ctx.set(trial, false);
        say(circuit.ended(end, now), now);
      }
    });

    function say(change: Change, now: number): void {
      if (change === 'opened') {
        open.set(1);
        log.warn({ ms: parsed.rest }, `the circuit is open: ${circuit.describe(now)} ended badly`);
      } else if (change === 'closed') {
        open.set(0);
        log.info('the circuit is closed again');
      }
    }
  },
});
