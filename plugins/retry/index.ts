// retry: has a request tried at another upstream when that cannot make anything happen twice.
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
      .describe('Attempts of one request, the first included.'),
    statuses: z
      .array(z.number().int().min(400).max(599))
      .max(200)
      .default([])
      .describe('Statuses of upstreams that are retried as well, for idempotent methods.'),
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
      .describe('Retries a second that a worker may always make, over the same 10 s.'),
  })
  .describe('Tries failed requests at another server, where nothing can have been done twice.');

/** What `retry` takes, as people write it. */
export type RetryOptions = z.input<typeof options>;

/** RFC 9110 section 9.2.2: more than one such request has the same effect as one. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * The plugin that tries failed requests again: `retry({ attempts: 3, statuses: [503] })`. A request that may have
 * been executed is tried again only if its method is idempotent, and none whose body is not at hand any more.
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

/** Only the connection was too old, or was going to end: the same upstream will do. */
const isOfConnection: ReadonlySet<string> = new Set(['STALE_CONNECTION', 'STREAM_REFUSED']);

/** Can another attempt neither execute the request twice nor be in vain from the start? */
function isHarmless(ctx: ProxyContext): boolean {
  const isIdempotent = idempotentMethods.has(ctx.request.method);
  const { error } = ctx;
  if (error === undefined) return isIdempotent && hasUntried(ctx);
  if (error.retry === 'never' || (error.retry === 'idempotent' && !isIdempotent)) return false;
  return isOfConnection.has(error.code) || hasUntried(ctx);
}

/** Is there an upstream that was not tried? If none is available, a plugin may be there that tries the others. */
function hasUntried({ pool, tried }: ProxyContext): boolean {
  const { available } = pool;
  if (available.length === 0) return pool.size > tried.length;
  if (available.length > tried.length) return true;
  for (const backup of pool.standby) if (!tried.includes(backup)) return true;
  return available.some(upstream => !tried.includes(upstream));
}
