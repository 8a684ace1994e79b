// UpstreamBlame: what a finished attempt says against its upstream, for the plugins that judge upstreams by real requests.
import type { ErrorCode } from '../errors.ts';
import type { ProxyContext } from './context.ts';

/** What an upstream may rightly do to a request whose client stopped sending. */
const awaitedClient: ReadonlySet<ErrorCode> = new Set(['UPSTREAM_RESET', 'RESPONSE_TIMEOUT']);

/** The responses that count as failures. */
export interface BadResponses {
  readonly statuses: ReadonlySet<number>;
  /** A response is slow if its head took longer, ms; undefined: none is. */
  readonly slow: number | undefined;
}

/** Returns whether the error of an attempt counts against its upstream; false if there is none. */
export function blamesUpstream(ctx: ProxyContext): boolean {
  const { error } = ctx;
  if (error === undefined || !error.countsAgainstHealth) return false;
  return !awaitedClient.has(error.code) || isSent(ctx);
}

/**
 * Returns how long the upstream itself took until its response head, or until the attempt ended without one, ms; 0 if
 * the request body had to arrive first, which depends on the client.
 */
export function upstreamDelay({ attempt, replayable }: ProxyContext): number {
  if (attempt === undefined || attempt.sentAt === 0 || !replayable) return 0;
  return (attempt.respondedAt || attempt.finishedAt) - attempt.sentAt;
}

/** Returns whether all of the request was sent; false for a chunked body, whose length is unknown. */
function isSent({ request: { bodyLength }, bytesIn }: ProxyContext): boolean {
  return bodyLength >= 0 && bytesIn >= bodyLength;
}
