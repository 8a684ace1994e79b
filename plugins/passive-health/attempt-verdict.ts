// What an attempt says of its upstream's health.

import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';

/** `nothing`: it was the client's doing, a plugin's, or nobody's. */
export type Verdict = 'success' | 'failure' | 'nothing';

/** What the upstream may do, rightly, to a request whose client does not go on sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** Judges a finished attempt; `statuses`: answers that are failures, too. */
export function judgeAttempt(ctx: ProxyContext, statuses: ReadonlySet<number>): Verdict {
  const { error } = ctx;
  const status = ctx.attempt?.status ?? 0;
  if (error === undefined) {
    if (status === 0) return 'nothing';
    return statuses.has(status) ? 'failure' : 'success';
  }
  if (!error.countsAgainstHealth) return 'nothing';
  return awaitedClient.has(error.code) && !isSent(ctx) ? 'nothing' : 'failure';
}

/** Had all of the request gone out? Of a chunked body nobody can tell. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
