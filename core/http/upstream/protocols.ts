// Protocols: which protocols an upstream may speak, as far as is known before a connection is open.
import type { Upstream } from '../../pool/pool.ts';

/** A protocol by its ALPN name. */
export type Protocol = 'h2' | 'http/1.1';

const either: readonly Protocol[] = ['h2', 'http/1.1'];
const onlyHttp2: readonly Protocol[] = ['h2'];
const onlyHttp1: readonly Protocol[] = ['http/1.1'];

/** The protocols that an upstream may speak, best first. Over TLS they are offered; without TLS there is exactly one. */
export function protocolsFor({ protocol, http2, record }: Upstream): readonly Protocol[] {
  // The PROXY protocol forbids connections that carry several clients' streams (its section 2).
  if (record.proxyProtocol !== undefined) return onlyHttp1;
  if (protocol === 'https:' && http2 === undefined) return either;
  return http2 === true ? onlyHttp2 : onlyHttp1;
}
