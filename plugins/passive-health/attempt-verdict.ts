// What an attempt says of its upstream's health.

import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';

/** `nothing`: it was the client's doing, a plugin's, or nobody's. */
export type Verdict = 'success' | 'failure' | 'nothing';

/** What the upstream may do, rightly, to a request whose client does not go on sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** Answers that are failures, too. */
export interface BadAnswers {
  readonly statuses: ReadonlySet<number>;
  /** Those whose head took longer, ms; undefined: none. */
  readonly slow: number | undefined;
}

/** Judges a finished attempt. */
export function judgeAttempt(ctx: ProxyContext, { statuses, slow }: BadAnswers): Verdict {
  const { error } = ctx;
  const status = ctx.attempt?.status ?? 0;
  if (error === undefined) {
    if (status === 0) return 'nothing';
    return statuses.has(status) || (slow !== undefined && delayOf(ctx) > slow) ? 'failure' : 'success';
  }
  if (!error.countsAgainstHealth) return 'nothing';
  return awaitedClient.has(error.code) && !isSent(ctx) ? 'nothing' : 'failure';
}

/**
 * How long the upstream alone took until its head was there, ms. For a body that had to come first, nobody can tell: that
 * was up to the client.
 */
export function delayOf({ attempt, replayable }: ProxyContext): number {
  return attempt === undefined || !replayable ? 0 : attempt.respondedAt - attempt.sentAt;
}

/** Had all of the request gone out? Of a chunked body nobody can tell. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
