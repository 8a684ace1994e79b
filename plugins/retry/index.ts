// retry: tries a request again, at another upstream, when this cannot make anything happen twice.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { retry as again } from '../../core/request/retry.ts';
import { maxAttempts } from '../../core/stages/pipeline.ts';
import { RetryBudget } from './retry-budget.ts';

const options = z
  .strictObject({
    attempts: z
      .number()
      .int()
      .min(1)
      .max(maxAttempts)
      .default(3)
      .describe('Attempts per request, including the first.'),
    statuses: z
      .array(z.number().int().min(400).max(599))
      .max(200)
      .default([])
      .describe('Response statuses that are retried as well, for idempotent methods.'),
    budget: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe("Retries as a share of a worker's requests, over 10 s."),
    minimum: z
      .number()
      .min(0)
      .max(10_000)
      .default(10)
      .describe('Retries per second that a worker may always make, over the same 10 s.'),
  })
  .describe('Tries failed requests again, at another server, when this cannot make anything happen twice.');

/** The options of `retry`, as written in a config. */
export type RetryOptions = z.input<typeof options>;

/** Methods whose requests, sent several times, have the same effect as sent once (RFC 9110 section 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * Retries failed requests: `retry({ attempts: 3, statuses: [503] })`. A request that may have been executed is retried only
 * if its method is idempotent, and only while all of its body can be sent again.
 */
export const retry = definePlugin({
  name: 'retry',
  role: 'retry',
  schema: options,
  worker({ hooks, clock }, { attempts, statuses, budget: share, minimum }) {
    const budget = new RetryBudget(share, minimum);
    const retried: ReadonlySet<number> = new Set(statuses);
    hooks.preProxy.tap('retry', ctx => {
      if (ctx.tried.length === 1 && !ctx.rehearsal) budget.request(ctx.startedAt);
      return undefined;
    });
    hooks.judge.tap('retry', ctx => {
      if (ctx.error === undefined && !retried.has(ctx.status)) return undefined;
      if (!ctx.replayable || ctx.tried.length >= attempts || !isHarmless(ctx)) return undefined;
      const now = clock.monotonic();
      return (ctx.rehearsal ? budget.allows(now) : budget.withdraw(now)) ? again : undefined;
    });
  },
});

/** Errors of a connection that was stale or about to end: the same upstream can be tried again. */
const isOfConnection: ReadonlySet<string> = new Set(['STALE_CONNECTION', 'STREAM_REFUSED']);

/** Returns whether another attempt can succeed without executing the request twice. */
function isHarmless(ctx: ProxyContext): boolean {
  const isIdempotent = idempotentMethods.has(ctx.request.method);
  const { error } = ctx;
  if (error === undefined) return isIdempotent && hasUntried(ctx);
  if (error.retry === 'never' || (error.retry === 'idempotent' && !isIdempotent)) return false;
  return isOfConnection.has(error.code) || hasUntried(ctx);
}

/** Returns whether there is an upstream that has not been tried, even an unavailable one: a plugin such as fail-open may choose it. */
function hasUntried({ pool, tried }: ProxyContext): boolean {
  const { available } = pool;
  if (available.length === 0) return pool.size > tried.length;
  if (available.length > tried.length) return true;
  for (const backup of pool.standby) if (!tried.includes(backup)) return true;
  return available.some(upstream => !tried.includes(upstream));
}
