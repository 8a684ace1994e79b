// The end of a request: the reply that an error makes, and the stages behind the response.
import type { WeldrError } from '../errors.ts';
import type { Pool } from '../pool/pool.ts';
import type { ProxyContext } from '../request/context.ts';
import { type Reply, reply } from '../request/reply.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Chain } from './chain.ts';
import type { Stages } from './stages.ts';

/** The reply that an error's status and title make. */
export function errorReply(error: WeldrError): Reply {
  const headers: Record<string, string> = error.status === 503 ? { 'Retry-After': '5' } : {};
  return reply(error.status === 499 ? 400 : error.status, `${error.status} ${error.title}\n`, headers);
}

/** Runs `finished`, and ends what plugins began for the request. */
export function finishRequest(
  stages: Stages,
  { finished }: Chain,
  ctx: ProxyContext,
  state: RequestState,
): void {
  if (finished.taps.length > 0) finished.call(ctx);
  const { rare } = state;
  if (rare?.pools !== undefined) finishInPoolsLeft(stages, ctx, rare.pools);
  if (rare?.aborter !== undefined) abort(rare.aborter);
}

/** What a plugin of a pool began when it admitted the request ends with the request, in whatever pool that is. */
function finishInPoolsLeft(stages: Stages, ctx: ProxyContext, pools: readonly Pool[]): void {
  for (const pool of pools) if (pool !== ctx.pool) stages.departure(pool.name)?.call(ctx);
}

function abort(aborter: AbortController): void {
  try {
    aborter.abort();
  } catch {
    // A plugin overwrote a part of the signal: its listeners are not called, and the request is over all the same.
  }
}
