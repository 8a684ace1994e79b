// PROXY header for upstreams: names the client that a connection is made for
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).

import { isIP, isIPv4 } from 'node:net';
import { addressBytes } from '../../network/address-bytes.ts';
import type { ProxyVersion } from '../../pool/upstream-record.ts';
import type { Peer } from '../exchange/streams.ts';
import { longestAuthority, signature, tlvType } from './proxy-format.ts';

/** Both ends of a connection: from a client to Weldr, or from Weldr itself to a server. */
export interface IntroducedEnds extends Pick<Peer, 'ip' | 'port' | 'localIp' | 'localPort'> {
  readonly tls?: { readonly sni: string | undefined } | undefined;
  readonly proxy?: { readonly authority: string | undefined } | undefined;
}

const proxied = 0x21;
const local = 0x20;
const tcp4 = 0x11;
const tcp6 = 0x21;

/**
 * Returns the header that names `ends`. If they are undefined or have no address, it names none: UNKNOWN in version 1, LOCAL
 * (a connection of Weldr's own) in version 2.
 */
export function proxyHeader(version: ProxyVersion, ends: IntroducedEnds | undefined): Buffer {
  const known = ends !== undefined && hasAddresses(ends) ? ends : undefined;
  return version === 'v1' ? Buffer.from(line(known), 'latin1') : binary(known);
}

type KnownEnds = IntroducedEnds & { readonly localIp: string };

function hasAddresses(ends: IntroducedEnds): ends is KnownEnds {
  const { ip, localIp = '' } = ends;
  return isIP(ip) !== 0 && isIP(localIp) !== 0;
}

/** Writes an IPv4 address in IPv6 form if the other end is IPv6. */
function alike(address: string, ends: KnownEnds): string {
  const bare = address.split('%')[0] ?? address;
  return isIPv4(bare) && !isOfIPv4(ends) ? `::ffff:${bare}` : bare;
}

const isOfIPv4 = ({ ip, localIp }: KnownEnds): boolean => isIPv4(ip) && isIPv4(localIp);

function line(ends: KnownEnds | undefined): string {
  if (ends === undefined) return 'PROXY UNKNOWN\r\n';
  const [from, to] = [alike(ends.ip, ends), alike(ends.localIp, ends)];
  return `PROXY TCP${isOfIPv4(ends) ? 4 : 6} ${from} ${to} ${ends.port} ${ends.localPort}\r\n`;
}

function binary(ends: KnownEnds | undefined): Buffer {
  if (ends === undefined) return Buffer.concat([signature, Buffer.from([local, 0, 0, 0])]);
  const start = Buffer.from([proxied, isOfIPv4(ends) ? tcp4 : tcp6, 0, 0]);
  const addresses = [ends.ip, ends.localIp].map(address => Buffer.from(addressBytes(alike(address, ends))));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(ends.port, 0);
  ports.writeUInt16BE(ends.localPort, 2);
  const rest = Buffer.concat([...addresses, ports, authority(ends)]);
  start.writeUInt16BE(rest.length, 2);
  return Buffer.concat([signature, start, rest]);
}

/** The host name that the client asked for in its TLS handshake, with Weldr or with the proxy in front. */
function authority({ tls, proxy }: KnownEnds): Buffer {
  const name = Buffer.from(tls?.sni ?? proxy?.authority ?? '');
  if (name.length === 0 || name.length > longestAuthority) return name.subarray(0, 0);
  return Buffer.concat([Buffer.from([tlvType.authority, 0, name.length]), name]);
}
