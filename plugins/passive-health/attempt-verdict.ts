// AttemptVerdict: what an attempt says about the health of its upstream.
import type { ProxyContext } from '../../core/request/context.ts';
import { type BadResponses, blamesUpstream, upstreamDelay } from '../../core/request/upstream-blame.ts';

/** `nothing`: the client or a plugin caused the end, or the upstream is not to blame. */
export type Verdict = 'success' | 'failure' | 'nothing';

/** Judges a finished attempt. */
export function judgeAttempt(ctx: ProxyContext, { statuses, slow }: BadResponses): Verdict {
  if (ctx.error !== undefined) return blamesUpstream(ctx) ? 'failure' : 'nothing';
  const status = ctx.attempt?.status ?? 0;
  if (status === 0) return 'nothing';
  return statuses.has(status) || (slow !== undefined && upstreamDelay(ctx) > slow) ? 'failure' : 'success';
}
