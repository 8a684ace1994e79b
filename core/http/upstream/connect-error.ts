// Connect errors: why no connection to an upstream came to stand, in the terms of the table of errors.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import { OwnAddressError } from './own-addresses.ts';

/** Errors of the connection below TLS. */
const ofNetwork = /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT)/;

/** `error`: what the socket ended with; undefined: it was closed. */
export function connectError({ id, protocol }: Upstream, error: Error | undefined): WeldrError {
  const cause = { cause: error };
  const code = error !== undefined && 'code' in error ? String(error.code) : '';
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new WeldrError(
      'OVERLOADED',
      'no file descriptor is left for upstream connections; raise the limit',
      cause,
    );
  }
  if (error instanceof OwnAddressError)
    return new WeldrError('OWN_ADDRESS', `cannot connect to ${id}`, cause);
  const isOfTls = protocol === 'https:' && !ofNetwork.test(code);
  return new WeldrError(isOfTls ? 'TLS_FAILED' : 'CONNECT_FAILED', `cannot connect to ${id}`, cause);
}

/** Over TLS an upstream is to speak HTTP/2, and no connection came to stand on which it does. */
export function noHttp2Error({ id }: Upstream, cause: Error | undefined): WeldrError {
  return new WeldrError(
    'TLS_FAILED',
    `no HTTP/2 with ${id}, which http2: true asks for; leave that out to take what the server offers`,
    { cause },
  );
}
