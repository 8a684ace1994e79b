// Upstream failures: the error for a timeout or the end of an HTTP/1.1 connection to an upstream, by what it was doing.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import type { UpstreamTimeouts } from '../exchange/streams.ts';
import { connectError } from '../upstream/connect-error.ts';
import { awaitingHead, connecting } from './response-reader.ts';

/** The error of a connection whose upstream took too long in this state. */
export function timeoutError({ id }: Upstream, state: number, timeouts: UpstreamTimeouts): WeldrError {
  if (state === connecting) {
    return new WeldrError('CONNECT_TIMEOUT', `no connection to ${id} within ${timeouts.connect} ms`);
  }
  return state === awaitingHead
    ? new WeldrError('RESPONSE_TIMEOUT', `no response from ${id} within ${timeouts.response} ms`)
    : new WeldrError('BODY_TIMEOUT', `the body from ${id} stalled for ${timeouts.body} ms`);
}

/** What a connection was doing when it ended. */
export interface EndedConnection {
  readonly state: number;
  /** Whether part of the response had arrived. */
  readonly hasBegun: boolean;
  /** Whether the connection had served other requests before. */
  readonly reused: boolean;
}

/** The error of a connection that ended too early; `error`: the error of its socket; undefined if it was just closed. */
export function endError(
  upstream: Upstream,
  { state, hasBegun, reused }: EndedConnection,
  error: Error | undefined,
): WeldrError {
  const { id } = upstream;
  const cause = { cause: error };
  if (state === connecting) return connectError(upstream, error);
  if (state !== awaitingHead) {
    return new WeldrError('BODY_CUT', `${id} closed the connection within a response body`, cause);
  }
  if (hasBegun) {
    return new WeldrError('BAD_RESPONSE', `${id} closed the connection within a response head`, cause);
  }
  return reused
    ? new WeldrError('STALE_CONNECTION', `${id} closed a connection that was reused`, cause)
    : new WeldrError('UPSTREAM_RESET', `${id} closed the connection without a response`, cause);
}
