// The options of a TLS connection to an upstream: those of requests and those of checks are made alike.
import { isIP } from 'node:net';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { toError } from '../../errors.ts';
import type { UpstreamTls } from '../../pool/pool.ts';
import type { Protocol } from './protocols.ts';

/**
 * What `tls.connect` is told of an upstream. `protocols`: what is offered; default: HTTP/1.1 alone. An address as `servername` is not asked for, which
 * RFC 6066 section 3 forbids, but the certificate is checked against it.
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

/** Node throws for names that it cannot read, out of an event that nobody can catch. */
function identityFault(servername: string, certificate: PeerCertificate): Error | undefined {
  try {
    return process.getBuiltinModule('node:tls').checkServerIdentity(servername, certificate);
  } catch (thrown) {
    return toError(thrown);
  }
}
