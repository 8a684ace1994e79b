// The options of a TLS connection to an upstream, for requests and health checks alike.
import { isIP } from 'node:net';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { toError } from '../../errors.ts';
import type { UpstreamTls } from '../../pool/pool.ts';
import type { Protocol } from './protocols.ts';

/**
 * Returns the options of `tls.connect` for an upstream. `protocols`: those to offer; default: only HTTP/1.1. An IP address is
 * not sent as the server name, which RFC 6066 section 3 forbids, but the certificate is checked against it.
 */
export function tlsConnectionOptions(
  { hostname, port }: { readonly hostname: string; readonly port: number },
  { ca, cert, key, servername = hostname, verify = true }: UpstreamTls = {},
  protocols: readonly Protocol[] = ['http/1.1'],
): ConnectionOptions {
  return {
    host: hostname,
    port,
    ALPNProtocols: [...protocols],
    rejectUnauthorized: verify,
    servername: isIP(servername) === 0 ? servername : '',
    checkServerIdentity: (_, certificate) => identityFault(servername, certificate),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Returns why a certificate is not for this name. Catches what Node throws for a name that it cannot parse. */
function identityFault(servername: string, certificate: PeerCertificate): Error | undefined {
  try {
    return process.getBuiltinModule('node:tls').checkServerIdentity(servername, certificate);
  } catch (thrown) {
    return toError(thrown);
  }
}
