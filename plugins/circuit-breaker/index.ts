// circuit-breaker: turns requests away while too many fail, so that the service behind it can recover.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { reply } from '../../core/request/reply.ts';
import { type Change, Circuit } from './circuit.ts';
import { endOf } from './request-end.ts';

const options = z
  .strictObject({
    errorRate: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe('The share of failures among the requests within `window` at which the circuit opens.'),
    minRequests: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(20)
      .describe('The circuit stays closed while a worker had fewer requests within `window`.'),
    window: duration()
      .refine(ms => ms >= 100, 'a window is at least 100ms')
      .prefault('10s')
      .describe('The period over which requests are counted.'),
    statuses: z
      .array(z.number().int().min(400).max(599))
      .max(200)
      .default([502, 503, 504])
      .describe('Response statuses of servers that count as failures.'),
    slow: duration()
      .refine(ms => ms >= 1, 'a limit is at least 1ms')
      .optional()
      .describe('A response whose head takes longer counts as a failure, too.'),
    rest: duration()
      .refine(ms => ms >= 10, 'a rest is at least 10ms')
      .prefault('10s')
      .describe('How long all requests are turned away before trials are let through.'),
    passes: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(3)
      .describe('Trials that must succeed, without a failure, before the circuit closes again.'),
  })
  .describe('Turns requests away for a while when too many have failed.');

/** The options of `circuitBreaker`, as written in a config. */
export type CircuitBreakerOptions = z.input<typeof options>;

/**
 * Gives a failing service a rest: `circuitBreaker({ errorRate: 0.5, rest: '10s' })`, best within a pool or a `when`. For
 * single servers that fail, use passiveHealth.
 */
export const circuitBreaker = definePlugin({
  name: 'circuit-breaker',
  schema: options,
  worker({ hooks, clock, log, metrics }, parsed) {
    const circuit = new Circuit(parsed);
    const bad = { statuses: new Set(parsed.statuses), slow: parsed.slow };
    // A slot per instance: a request may pass several of them.
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
