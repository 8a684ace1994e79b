// RequestEnd: what a finished request says about the servers behind the circuit.
import type { ErrorCode } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { type BadResponses, blamesUpstream, upstreamDelay } from '../../core/request/upstream-blame.ts';
import type { End } from './circuit.ts';

/** No upstream was available, or none had room. */
const noUpstream: ReadonlySet<ErrorCode> = new Set(['NO_UPSTREAM', 'UPSTREAM_BUSY', 'QUEUE_TIMEOUT']);

/** Judges a finished request. Replies of other plugins do not count. */
export function endOf(ctx: ProxyContext, { statuses, slow }: BadResponses): End {
  const { attempt, error } = ctx;
  if (error !== undefined && noUpstream.has(error.code)) return 'bad';
  if (attempt === undefined) return 'nothing';
  const isSlow = slow !== undefined && upstreamDelay(ctx) > slow;
  if (error === undefined) {
    if (attempt.status === 0) return 'nothing';
    return isSlow || statuses.has(attempt.status) ? 'bad' : 'good';
  }
  // The client may have left because no response came.
  if (!error.countsAgainstHealth) return isSlow && attempt.respondedAt === 0 ? 'bad' : 'nothing';
  return blamesUpstream(ctx) ? 'bad' : 'nothing';
}
