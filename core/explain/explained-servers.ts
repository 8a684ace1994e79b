// The servers of a pool in an explanation: the chosen one, and why the others were not available.
import type { Upstream } from '../pool/pool.ts';
import { type ProxyContext, stateOf } from '../request/context.ts';
import type { RequestState } from '../request/request-state.ts';
import type { Stages } from '../stages/stages.ts';
import type { ExplainedServer, Step } from './explanation.ts';

/** The most servers that are listed. */
const mostServers = 50;

/**
 * The servers of the request's pool, the chosen one first, then the other candidates, then the rest. With `stages` the
 * plugins of `eligible` are asked about each.
 */
export function explainedServers(
  ctx: ProxyContext,
  chosen: Upstream | undefined,
  stages: Stages | undefined,
): Pick<Step, 'servers' | 'moreServers'> {
  const state = stateOf(ctx);
  const { pool } = state;
  const first = chosen?.home === pool ? [chosen] : [];
  const others = [...pool].filter(upstream => upstream !== chosen);
  const told = [
    ...first,
    ...others.filter(({ available }) => available),
    ...others.filter(({ available }) => !available),
  ].slice(0, mostServers);
  const servers = told.map(upstream =>
    explain(ctx, state, upstream, { stages, chosen: upstream === chosen }),
  );
  return { servers, ...(pool.size > told.length && { moreServers: pool.size - told.length }) };
}

function explain(
  ctx: ProxyContext,
  state: RequestState,
  upstream: Upstream,
  { stages, chosen }: { readonly stages: Stages | undefined; readonly chosen: boolean },
): ExplainedServer {
  const why = obstacle(upstream, state) ?? refusal(ctx, state, upstream, stages);
  const { id, weight, inFlight } = upstream;
  return { server: id, chosen, available: why === undefined, why, weight, inFlight };
}

/** What about the server itself rules it out. */
function obstacle(upstream: Upstream, { tried }: RequestState): string | undefined {
  const { record, state } = upstream;
  if (state !== 'active') return record.reason === '' ? state : `${state}: ${record.reason}`;
  if (upstream.apart) return 'left to other Weldrs, by its zone or a subset';
  if (!upstream.available) return 'a backup while others are available';
  if (tried.includes(upstream)) return 'was already tried';
  return upstream.full ? 'has as many requests as its maxConnections allows' : undefined;
}

function refusal(
  ctx: ProxyContext,
  state: RequestState,
  upstream: Upstream,
  stages: Stages | undefined,
): string | undefined {
  if (stages === undefined) return undefined;
  const { eligible } = stages.of(state.route, state.pool);
  if (eligible.taps.length === 0) return undefined;
  const before = state.tap;
  try {
    return eligible.call(ctx, upstream) === false ? `not eligible, according to ${state.tap}` : undefined;
  } catch {
    return `${state.tap} fails on it`;
  } finally {
    state.tap = before;
  }
}
