// AttemptVerdict: what an attempt says about the health of its upstream.

import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';

/** `nothing`: the client or a plugin caused the end, or the upstream is not to blame. */
export type Verdict = 'success' | 'failure' | 'nothing';

/** What an upstream may rightly do to a request whose client stopped sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** The responses that count as failures. */
export interface BadAnswers {
  readonly statuses: ReadonlySet<number>;
  /** A response is slow if its head took longer, ms; undefined: none is. */
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
 * How long the upstream alone took to its response head, ms; 0 if the body had to arrive first, which is up to the client.
 */
export function delayOf({ attempt, replayable }: ProxyContext): number {
  return attempt === undefined || !replayable ? 0 : attempt.respondedAt - attempt.sentAt;
}

/** Was all of the request sent? For a chunked body this is unknown. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
