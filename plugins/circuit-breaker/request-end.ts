// RequestEnd: what a finished request says about the servers behind the circuit.
import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { End } from './circuit.ts';

/** No upstream was available, or none had room. */
const noUpstream: ReadonlySet<ErrorCode> = new Set(['NO_UPSTREAM', 'UPSTREAM_BUSY', 'QUEUE_TIMEOUT']);
/** What an upstream may rightly do to a request whose client stopped sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** The responses that count as bad ends. */
export interface BadAnswers {
  readonly statuses: ReadonlySet<number>;
  /** A response is slow if its head took longer, ms; undefined: none is. */
  readonly slow: number | undefined;
}

/** Judges a finished request. Replies of other plugins do not count. */
export function endOf(ctx: ProxyContext, { statuses, slow }: BadAnswers): End {
  const { attempt, error } = ctx;
  if (error !== undefined && noUpstream.has(error.code)) return 'bad';
  if (attempt === undefined) return 'nothing';
  const isSlow = slow !== undefined && delayOf(ctx) > slow;
  if (error === undefined) {
    if (attempt.status === 0) return 'nothing';
    return isSlow || statuses.has(attempt.status) ? 'bad' : 'good';
  }
  // A client that left because nothing came is told apart from one that just left.
  if (!error.countsAgainstHealth) return isSlow && attempt.respondedAt === 0 ? 'bad' : 'nothing';
  return awaitedClient.has(error.code) && !isSent(ctx) ? 'nothing' : 'bad';
}

/** How long the upstream alone took, ms; 0 if the body had to arrive first, which is up to the client. */
function delayOf({ attempt, replayable }: ProxyContext): number {
  if (attempt === undefined || attempt.sentAt === 0 || !replayable) return 0;
  return (attempt.respondedAt || attempt.finishedAt) - attempt.sentAt;
}

/** Was all of the request sent? For a chunked body this is unknown. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
