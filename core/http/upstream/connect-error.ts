// Connect errors: why a connection to an upstream could not be made, in the codes of the table of errors.
import { WeldrError } from '../../errors.ts';
import type { Upstream } from '../../pool/pool.ts';
import { OwnAddressError } from './own-addresses.ts';

/** Error codes of the connection below TLS. */
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
  if (!isOfTls) return new WeldrError('CONNECT_FAILED', `cannot connect to ${id}`, cause);
  return new WeldrError('TLS_FAILED', `cannot connect to ${id}${tlsRemedy(code, error?.message)}`, cause);
}

/** What to look at where OpenSSL's words leave that open. */
function tlsRemedy(code: string, message = ''): string {
  if (/WRONG_VERSION_NUMBER/.test(code) || message.includes('wrong version number')) {
    return ', which does not speak TLS; is its URL http://?';
  }
  if (/SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)) {
    return ', whose certificate no known authority has signed; name that authority in tls.ca of the server';
  }
  return '';
}

/** The error of an upstream that has to speak HTTP/2 over TLS and does not. */
export function noHttp2Error({ id }: Upstream, cause: Error | undefined): WeldrError {
  return new WeldrError(
    'TLS_FAILED',
    `no HTTP/2 with ${id}, which http2: true asks for; leave that out to take what the server offers`,
    { cause },
  );
}
