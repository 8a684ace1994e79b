// RequestEnd: what a finished request says of the servers that it was for.
import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { End } from './circuit.ts';

/** Nobody could be asked, or nobody had room. */
const nobody: ReadonlySet<ErrorCode> = new Set(['NO_UPSTREAM', 'UPSTREAM_BUSY', 'QUEUE_TIMEOUT']);
/** What an upstream may do, rightly, to a request whose client does not go on sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** What is bad beside what fails. */
export interface BadAnswers {
  readonly statuses: ReadonlySet<number>;
  /** Answers whose head took longer, ms; undefined: none. */
  readonly slow: number | undefined;
}

/** Judges a request that is over. What other plugins answered says nothing. */
export function endOf(ctx: ProxyContext, { statuses, slow }: BadAnswers): End {
  const { attempt, error } = ctx;
  if (error !== undefined && nobody.has(error.code)) return 'bad';
  if (attempt === undefined) return 'nothing';
  const isSlow = slow !== undefined && delayOf(ctx) > slow;
  if (error === undefined) {
    if (attempt.status === 0) return 'nothing';
    return isSlow || statuses.has(attempt.status) ? 'bad' : 'good';
  }
  // Who left because nothing came is told apart from who left.
  if (!error.countsAgainstHealth) return isSlow && attempt.respondedAt === 0 ? 'bad' : 'nothing';
  return awaitedClient.has(error.code) && !isSent(ctx) ? 'nothing' : 'bad';
}

/** How long the upstream alone took, ms. For a body that had to come first, that was up to the client. */
function delayOf({ attempt, replayable }: ProxyContext): number {
  if (attempt === undefined || attempt.sentAt === 0 || !replayable) return 0;
  return (attempt.respondedAt || attempt.finishedAt) - attempt.sentAt;
}

/** Had all of the request gone out? Of a chunked body nobody can tell. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
