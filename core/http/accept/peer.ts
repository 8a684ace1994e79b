// Peer facts: what an accepted socket and its PROXY header say about the client.
import type { Socket } from 'node:net';
import { unixPeer } from '../../network/network.ts';
import type { ProxyFacts } from '../../request/proxy-facts.ts';
import type { TlsFacts } from '../../request/tls-facts.ts';
import type { ListenEntry } from '../../settings/listen.ts';
import type { ConnectionInfo } from '../../stages/connection-info.ts';
import type { Forwarding } from '../exchange/forwarding.ts';
import type { Peer } from '../exchange/streams.ts';
import type { ProxyHeader } from './proxy-header.ts';

/** The client's address, as IPv4 if it is IPv4-mapped; undefined if it has left. `kind`: that of the `listen` entry. */
export function addressOf({ remoteAddress }: Socket, kind: ListenEntry['kind']): string | undefined {
  return kind === 'unix' ? unixPeer : withoutMapping(remoteAddress);
}

const withoutMapping = (address: string | undefined): string | undefined =>
  address?.startsWith('::ffff:') ? address.slice(7) : address;

/** The two ends of a connection, and the `listen` entry that accepted it. */
export interface Arrival {
  readonly ip: string;
  readonly localPort: number;
  readonly listener: string;
}

/** The facts of a connection made by the client itself. */
export function peerOf(socket: Socket, { ip, localPort, listener }: Arrival, forwarding: Forwarding): Peer {
  return new SocketPeer(socket, {
    ip,
    port: socket.remotePort ?? 0,
    localIp: undefined,
    localPort,
    listener,
    trusted: forwarding.trusts(ip),
    proxy: undefined,
  });
}

/** The facts of a connection made by a proxy, which introduced it with a header. */
export function introducedPeer(
  socket: Socket,
  proxy: Peer,
  { ends, version, tlvs }: ProxyHeader,
  forwarding: Forwarding,
): Peer {
  // The proxy's own connection, such as a health check.
  if (ends === undefined) return proxy;
  return new SocketPeer(socket, {
    ...ends,
    listener: proxy.listener,
    trusted: forwarding.trusts(ends.ip),
    proxy: Object.freeze({
      address: proxy.ip,
      port: proxy.port,
      version,
      authority: tlvs?.authority,
      alpn: tlvs?.alpn,
      uniqueId: tlvs?.uniqueId,
      tls: tlvs?.tls,
    }),
  });
}

type Facts = Pick<Peer, 'ip' | 'port' | 'localIp' | 'localPort' | 'listener' | 'trusted' | 'proxy'>;

class SocketPeer implements Peer {
  readonly ip: string;
  readonly port: number;
  readonly localPort: number;
  readonly listener: string;
  readonly trusted: boolean;
  readonly proxy: ProxyFacts | undefined;
  tls: TlsFacts | undefined = undefined;
  certified = '';
  described = '';
  describedHost: string | undefined = undefined;
  private knownLocalIp: string | undefined;
  private readonly socket: Socket;

  constructor(socket: Socket, facts: Facts) {
    this.socket = socket;
    this.ip = facts.ip;
    this.port = facts.port;
    this.knownLocalIp = facts.localIp;
    this.localPort = facts.localPort;
    this.listener = facts.listener;
    this.trusted = facts.trusted;
    this.proxy = facts.proxy;
  }

  /** Read from the system only when needed, which is rare. */
  get localIp(): string | undefined {
    this.knownLocalIp ??= withoutMapping(this.socket.localAddress);
    return this.knownLocalIp;
  }

  get scheme(): 'http' | 'https' {
    return this.tls === undefined && this.proxy?.tls === undefined ? 'http' : 'https';
  }
}

/** The facts that plugins see; `refused`: why the connection was not served. */
export function infoOf(peer: Peer, refused?: ConnectionInfo['refused']): ConnectionInfo {
  return Object.freeze({
    remoteAddress: peer.ip,
    remotePort: peer.port,
    localPort: peer.localPort,
    listener: peer.listener,
    tls: peer.tls,
    proxy: peer.proxy,
    refused,
  });
}
