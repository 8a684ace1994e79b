// concurrency-limit: limits how many requests are served at once; some of the others wait, the rest are turned away.
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { options } from './options.ts';
import { RequestTurns } from './request-turns.ts';

export type { ConcurrencyLimitOptions } from './options.ts';

/**
 * Limits how many requests each worker serves at once: `concurrencyLimit({ max: 50, queue: 200 })`.
 */
export const concurrencyLimit = definePlugin({
  name: 'concurrency-limit',
  schema: options,
  worker(side, parsed) {
    const { hooks } = side;
    const turns = new RequestTurns(parsed, side);
    hooks.request.tapAsync('concurrency-limit', (ctx, done) => turns.take(ctx, done));
    // Runs also for a request whose client left while it waited.
    hooks.finished.tap('concurrency-limit', ctx => turns.end(ctx));
  },
});
