// ExplainInput: the request that an operator wants explained.
import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import { triedRequest } from './tried-request.ts';

/** The codes that attempts can end with. */
const attemptErrors = [
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'TLS_FAILED',
  'STALE_CONNECTION',
  'UPSTREAM_RESET',
  'BAD_RESPONSE',
  'RESPONSE_TIMEOUT',
  'UPSTREAM_BUSY',
  'QUEUE_TIMEOUT',
] as const satisfies readonly ErrorCode[];

/** A request to explain. */
export const explainInput = triedRequest
  .extend({
    answer: z
      .union([z.number().int().min(200).max(599), z.enum(attemptErrors)], {
        error: `expected a status from 200 to 599, or one of ${attemptErrors.join(', ')}`,
      })
      .default(200)
      .describe(
        'The supposed response of servers: a status, or an error such as `CONNECT_FAILED`; nothing is sent to them.',
      ),
  })
  .describe('A request to explain; it is not sent.');

/** The parsed form of {@link explainInput}. */
export type ExplainInput = z.output<typeof explainInput>;
