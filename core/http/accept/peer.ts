// Peer facts: what an accepted socket says of the client on its other side.
import type { Socket } from 'node:net';
import { unixPeer } from '../../network.ts';
import type { ListenEntry } from '../../settings/listen.ts';
import type { ConnectionInfo } from '../../stages/connection-info.ts';
import type { Forwarding } from '../exchange/forwarding.ts';
import type { Peer } from '../exchange/streams.ts';

/** The client's address, an IPv4 one as such; undefined: it is gone already. `kind`: of the `listen` entry. */
export function addressOf({ remoteAddress }: Socket, kind: ListenEntry['kind']): string | undefined {
  if (kind === 'unix') return unixPeer;
  return remoteAddress?.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
}

/** Where a connection comes from, and by which `listen` entry. */
export interface Arrival {
  readonly ip: string;
  readonly localPort: number;
  readonly listener: string;
}

/** The facts of a connection. */
export function peerOf(socket: Socket, { ip, localPort, listener }: Arrival, forwarding: Forwarding): Peer {
  return {
    ip,
    port: socket.remotePort ?? 0,
    localPort,
    listener,
    trusted: forwarding.trusts(ip),
    tls: undefined,
    certified: '',
    described: '',
    describedHost: undefined,
  };
}

/** The same for plugins; `refused`: why it is not served. */
export function infoOf(peer: Peer, refused?: ConnectionInfo['refused']): ConnectionInfo {
  return Object.freeze({
    remoteAddress: peer.ip,
    remotePort: peer.port,
    localPort: peer.localPort,
    listener: peer.listener,
    tls: peer.tls,
    refused,
  });
}
