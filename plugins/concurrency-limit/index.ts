// concurrency-limit: limits how many requests are served at once; some of the others wait, the rest are turned away.
import { z } from 'zod';
import { addressKey } from '../../core/network/address-key.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { folded } from '../../core/request/field-aliases.ts';
import { isToken } from '../../core/request/headers.ts';
import { hostName } from '../../core/request/host-pattern.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { duration } from '../../core/settings/duration.ts';
import type { CancelTimer } from '../../core/time/clock.ts';
import { type Outlook, type Turn, Turns } from './turns.ts';

const key = z.union([
  z.enum(['client', 'host']),
  z.strictObject({
    header: z.string().refine(isToken, 'is not a field name').describe('The name of a request header.'),
  }),
]);

const options = z
  .strictObject({
    max: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Requests served at once, for each key, in each worker.'),
    queue: z
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(100)
      .describe('Requests that may wait for their turn, for each key; 0: none.'),
    queueTimeout: duration()
      .refine(ms => ms >= 1, 'a wait is at least 1ms')
      .prefault('5s')
      .describe('How long a request waits before it is turned away; less than `timeouts.stage`.'),
    key: key
      .optional()
      .describe(
        'What is counted separately: `client` addresses, `host`, or the values of a header. Default: all requests count together.',
      ),
  })
  .describe('Limits how many requests are served at once; others wait or are turned away.');

/** The options of `concurrencyLimit`, as written in a config. */
export type ConcurrencyLimitOptions = z.input<typeof options>;

/** The most requests that may wait for all keys together. */
const maxWaiting = 10_000;
/** The most characters of a value, chosen by a client, that count as a key. */
const maxKeyLength = 256;

/** The turn of one request, and the timer of its wait. */
interface OwnTurn extends Turn {
  cancel: CancelTimer | undefined;
}

/**
 * Limits how many requests each worker serves at once: `concurrencyLimit({ max: 50, queue: 200 })`.
 */
export const concurrencyLimit = definePlugin({
  name: 'concurrency-limit',
  schema: options,
  worker({ hooks, clock, metrics }, { max, queue, queueTimeout, key }) {
    const turns = new Turns(max, queue, maxWaiting);
    // A slot per instance: a request may pass several of them.
    const own = contextSlot<OwnTurn | undefined>('concurrency-limit.turn');
    const refusal = refusalWith(key === undefined ? 503 : 429);
    const refused = metrics.counter({
      name: 'concurrency_limit_refused_total',
      help: 'Requests that were turned away.',
      labels: ['reason'],
    });
    const full = refused.labels('full');
    const late = refused.labels('late');

    hooks.request.tapAsync('concurrency-limit', (ctx, done) => {
      const counted = key === undefined ? '' : keyOf(ctx, key);
      if (ctx.rehearsal) {
        const outlook = turns.outlook(counted);
        ctx.note(`concurrency-limit: ${describe(outlook, { max, queue })}`);
        done(null, outlook.admission === 'full' ? refusal : undefined);
        return;
      }
      const turn: OwnTurn = {
        key: counted,
        cancel: undefined,
        granted() {
          turn.cancel?.();
          const waited = Math.round(clock.monotonic() - ctx.startedAt);
          ctx.note(`concurrency-limit: waited ${waited} ms for its turn`);
          done(null);
        },
      };
      const admission = turns.take(turn);
      if (admission === 'full') {
        full.inc();
        ctx.note('concurrency-limit: refused, all places are taken and the queue is full');
        done(null, refusal);
        return;
      }
      ctx.set(own, turn);
      if (admission === 'now') {
        done(null);
        return;
      }
      turn.cancel = clock.after(queueTimeout, () => {
        turns.leave(turn);
        ctx.set(own, undefined);
        late.inc();
        ctx.note(`concurrency-limit: refused, its turn did not come within ${queueTimeout} ms`);
        done(null, refusal);
      });
    });

    // Runs also for a request whose client left while it waited.
    hooks.finished.tap('concurrency-limit', ctx => {
      const turn = ctx.get(own);
      if (turn === undefined) return;
      ctx.set(own, undefined);
      turn.cancel?.();
      turns.leave(turn);
    });
  },
});

/** The note for an explained request, which takes no turn. */
function describe(
  { admission, active, waiting }: Outlook,
  { max, queue }: { readonly max: number; readonly queue: number },
): string {
  const waits = waiting === 0 && queue === 0 ? '' : `, ${waiting} of ${queue} wait`;
  const now = `${active} of ${max} places are taken${waits}`;
  if (admission === 'now') return now;
  return admission === 'full' ? `full: ${now}` : `it would wait for its turn: ${now}`;
}

function refusalWith(status: 503 | 429): Reply {
  return reply(status, `${status} too many requests at once\n`, { 'Retry-After': '1' });
}

function keyOf(ctx: ProxyContext, key: NonNullable<z.output<typeof options>['key']>): string {
  if (key === 'client') return addressKey(ctx.clientIp);
  if (key === 'host') return hostName(ctx.request.host).slice(0, maxKeyLength);
  return ctx.request.headers.valuesOfSpellings(folded(key.header)).join().slice(0, maxKeyLength);
}
