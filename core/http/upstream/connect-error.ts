// Connect errors: why a connection to an upstream could not be made, as one of Weldr's error codes.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import { OwnAddressError } from './own-addresses.ts';

/** Error codes that come from below TLS. */
const networkCodes = /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT)/;

/** Returns the error of an attempt. `error`: that of the socket; undefined if it was just closed. */
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
  const isTlsError = protocol === 'https:' && !networkCodes.test(code);
  if (!isTlsError) return new WeldrError('CONNECT_FAILED', `cannot connect to ${id}`, cause);
  return new WeldrError('TLS_FAILED', `cannot connect to ${id}${tlsRemedy(code, error?.message)}`, cause);
}

/** A hint for errors whose OpenSSL message does not say what to do. */
function tlsRemedy(code: string, message = ''): string {
  if (/WRONG_VERSION_NUMBER/.test(code) || message.includes('wrong version number')) {
    return ', which does not speak TLS; is its URL http://?';
  }
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)) {
    return ', whose certificate is not signed by a known authority; set tls.ca of the server to the one that signed it';
  }
  return '';
}

/** The error of an upstream that must speak HTTP/2 over TLS and does not. */
export function noHttp2Error({ id }: Upstream, cause: Error | undefined): WeldrError {
  return new WeldrError(
    'TLS_FAILED',
    `${id} does not speak HTTP/2, which http2: true requires; leave that out to use what the server offers`,
    { cause },
  );
}
