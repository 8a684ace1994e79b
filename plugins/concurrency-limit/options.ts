// The options of concurrency-limit.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { isToken } from '../../core/request/headers.ts';

const key = z.union([
  z.enum(['client', 'host']),
  z.strictObject({
    header: z.string().refine(isToken, 'is not a field name').describe('The name of a request header.'),
  }),
]);

/** The schema of the options. */
export const options = z
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

export type ParsedOptions = z.output<typeof options>;
