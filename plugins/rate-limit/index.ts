// rate-limit: answers 429 to clients that send more requests than they may.
import { z } from 'zod';
import { addressKey } from '../../core/address-key.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { reply } from '../../core/request/reply.ts';
import { TokenBuckets } from './token-buckets.ts';

const options = z
  .strictObject({
    rate: z
      .number()
      .positive()
      .max(1_000_000)
      .default(100)
      .describe('Requests a second of one client, for each worker.'),
    burst: z
      .number()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Requests that it may send at once after a pause; default: those of a second, at least 1.'),
    clients: z
      .number()
      .int()
      .min(100)
      .max(1_000_000)
      .default(50_000)
      .describe('Clients that are remembered.'),
  })
  .describe('Refuses clients that send more requests than they may, with 429.');

/** What `rateLimit` takes, as people write it. */
export type RateLimitOptions = z.input<typeof options>;

/** The plugin that limits requests by client: `rateLimit({ rate: 10, burst: 50 })`. */
export const rateLimit = definePlugin({
  name: 'rate-limit',
  schema: options,
  worker({ hooks }, { rate, burst = Math.max(1, rate), clients }) {
    const buckets = new TokenBuckets(rate, burst, clients);
    hooks.request.tap('rate-limit', ctx => {
      if (ctx.rehearsal) return undefined;
      const wait = buckets.take(addressKey(ctx.clientIp), ctx.startedAt);
      if (wait === 0) return undefined;
      const seconds = String(Math.max(1, Math.ceil(wait / 1000)));
      return reply(429, '429 too many requests\n', { 'Retry-After': seconds });
    });
  },
});
