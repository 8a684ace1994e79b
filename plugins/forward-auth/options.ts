// The options of forward-auth.
import { z } from 'zod';
import { duration, size } from '../../core/options/duration.ts';
import { hopByHop, isToken } from '../../core/request/headers.ts';

const fieldName = z.string().refine(isToken, 'is not a field name');
const passedOn = fieldName.refine(
  name => !hopByHop.has(name.toLowerCase()) && !/^(?:host|content-length)$/i.test(name),
  'is written by Weldr itself: leave it out',
);

/** The schema of the options. */
export const options = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'expected a URL such as "http://auth.internal:9000/verify"' })
      .refine(text => !/[@#]/.test(text), 'has a user name, a password or a fragment: leave them out')
      .describe('The URL of the auth server, which is asked with GET.'),
    requestHeaders: z
      .union([z.array(fieldName).max(256), z.literal('*')])
      .default('*')
      .describe(
        "Fields of the client's request that the auth server gets; `*`: all but those about the body, ranges and caches.",
      ),
    responseHeaders: z
      .array(passedOn)
      .max(256)
      .default([])
      .describe(
        "Fields of its response that are passed on to servers. A client's own fields of these names are dropped.",
      ),
    setCookie: z
      .boolean()
      .default(false)
      .describe('Whether the cookies that it sets when it admits a request are passed on to the client.'),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .prefault('5s')
      .describe('How long it may take to respond; less than `timeouts.stage`.'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(500)
      .describe('Concurrent checks in each worker; further requests are answered 503.'),
    maxBody: size().prefault('64kb').describe('The longest body of a refusal that is passed on.'),
    ambiguousPaths: z
      .enum(['refuse', 'send'])
      .default('refuse')
      .describe(
        'What happens to paths that it could read differently than servers do: `refuse` answers 400, `send` asks it.',
      ),
  })
  .describe('Asks another server whether requests may pass.');

/** The options of `forwardAuth`, as written in a config. */
export type ForwardAuthOptions = z.input<typeof options>;

export type ParsedOptions = z.output<typeof options>;
