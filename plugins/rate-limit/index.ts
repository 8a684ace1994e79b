// rate-limit: answers 429 to clients that exceed a request rate.
import { z } from 'zod';
import { Generations } from '../../core/bounded/generations.ts';
import { duration } from '../../core/options/duration.ts';
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide, Plugin, WorkerSide } from '../../core/plugin/plugin.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { reply } from '../../core/request/reply.ts';
import { LimitFields } from './limit-fields.ts';
import { type KeyFunction, keyByFunction, keyReader, limitKey } from './limit-key.ts';
import { type NodeBucket, NodeBuckets } from './node-buckets.ts';
import type { Limit, ToManager, ToWorker } from './shares.ts';
import { WorkerBuckets } from './worker-buckets.ts';

export type { KeyFunction } from './limit-key.ts';

const shape = {
  rate: z
    .number()
    .positive()
    .max(1_000_000)
    .default(100)
    .describe('Requests that one client may send in each `per`; fractions such as 0.5 are allowed.'),
  per: duration()
    .refine(ms => ms >= 1, 'a time is at least 1ms')
    .prefault('1s')
    .describe('The period of `rate`.'),
  burst: z
    .number()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Requests that a client may send at once after a pause; default: `rate`, at least 1.'),
  by: limitKey.default('client'),
  ipv6Prefix: z
    .number()
    .int()
    .min(16)
    .max(128)
    .default(64)
    .describe('Bits of an IPv6 address that tell clients apart.'),
  fields: z
    .enum(['none', 'draft', 'legacy', 'both'])
    .default('none')
    .describe(
      'The fields of responses: RateLimit and RateLimit-Policy (draft), X-RateLimit-Limit, -Remaining and -Reset (legacy), both, or nothing.',
    ),
  policy: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected letters, digits, "-", "_" and "."')
    .default('default')
    .describe('The name of the limit in RateLimit and RateLimit-Policy.'),
  dryRun: z
    .boolean()
    .default(false)
    .describe(
      'Whether to admit all requests; those that would have been refused get a note and are counted.',
    ),
  clients: z
    .number()
    .int()
    .min(100)
    .max(1_000_000)
    .default(50_000)
    .describe('Clients remembered by each worker and by the manager.'),
};
const about = 'Refuses clients that exceed a request rate, with 429.';

const inText = z.strictObject(shape).describe(about);

const inCode = z
  .strictObject({
    ...shape,
    key: z
      .custom<KeyFunction>(value => typeof value === 'function', 'expected a function of the request')
      .optional(),
  })
  .refine(({ key, by }) => key === undefined || by === 'client', {
    path: ['key'],
    message: 'replaces `by`: leave one of them out',
  });

/** The options of `rateLimit`, as written in a config. */
export type RateLimitOptions = z.input<typeof inCode>;

type Parsed = z.output<typeof inCode>;

interface Memory {
  buckets: Generations<NodeBucket>;
}

const limitOf = ({ rate, per, burst = Math.max(1, rate) }: Parsed): Limit => ({ perMs: rate / per, burst });

const plugin = definePlugin({
  name: 'rate-limit',
  schema: inCode,
  channel: channel<ToManager, ToWorker>(),
  memory: (): Memory => ({ buckets: new Generations(0) }),
  worker: limitRequests,
  manager: addUp,
});

/**
 * Limits request rates: `rateLimit({ rate: 10, burst: 50 })` by address, `{ by: { header: 'X-Api-Key' } }`, or `{ key: ctx =>
 * … }`. The limit holds over all workers together.
 */
export const rateLimit = Object.assign((options?: RateLimitOptions): Plugin => plugin(options), {
  pluginName: 'rate-limit',
  schema: inText,
});

function limitRequests(side: WorkerSide<ToManager, ToWorker>, parsed: Parsed): void {
  const { hooks, clock, channel: manager, metrics, onClose } = side;
  const limit = limitOf(parsed);
  const { dryRun, clients: keys } = parsed;
  const buckets = new WorkerBuckets({ limit, keys, clock, send: report => manager.send(report) });
  manager.onMessage(message => buckets.hear(message));
  manager.send({ hello: true });
  onClose(() => buckets.close());
  const keyOf =
    parsed.key === undefined ? keyReader(parsed.by, parsed.ipv6Prefix) : keyByFunction(parsed.key);
  const fields = parsed.fields === 'none' ? undefined : new LimitFields(limit, parsed.fields, parsed.policy);
  // A slot per instance: a request may pass several of them.
  const left = contextSlot<number>('rate-limit.left');
  const refused = metrics
    .counter({
      name: 'rate_limit_refused_total',
      help: 'Requests over the limit; with dry_run they were let through.',
      labels: ['dry_run'],
    })
    .labels(String(dryRun));

  hooks.request.tap('rate-limit', ctx => {
    const key = keyOf(ctx);
    if (key === undefined) return undefined;
    const wait = ctx.rehearsal ? buckets.outlook(key, ctx.startedAt) : buckets.take(key, ctx.startedAt);
    if (fields !== undefined && !ctx.rehearsal) ctx.set(left, buckets.left);
    if (wait === 0) return undefined;
    if (!ctx.rehearsal) refused.inc();
    ctx.note(`rate-limit: ${dryRun ? 'would be refused' : 'refused'}`);
    if (dryRun) return undefined;
    const seconds = String(Math.max(1, Math.ceil(wait / 1000)));
    return reply(429, '429 too many requests\n', { 'Retry-After': seconds });
  });

  if (fields === undefined) return;
  hooks.respond.tap('rate-limit', ctx => {
    const tokens = ctx.get(left);
    if (tokens !== undefined && ctx.response !== undefined) fields.write(ctx.response.headers, tokens);
  });
}

function addUp(side: ManagerSide<ToManager, ToWorker, Memory>, parsed: Parsed): void {
  const { clock, channel: workers, memory } = side;
  const table = new Generations<NodeBucket>(parsed.clients);
  for (const [key, bucket] of memory.buckets) table.set(key, bucket);
  memory.buckets = table;
  const buckets = new NodeBuckets({
    limit: limitOf(parsed),
    clock,
    table,
    workers: () => workers.workers,
    send: (worker, message) => workers.send(worker, message),
  });
  workers.onMessage((message, worker) => {
    if ('hello' in message) buckets.welcome(worker);
    else buckets.hear(worker, message.report, message.spent);
  });
}
