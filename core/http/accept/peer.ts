// Peer facts: what an accepted socket says of the client on its other side.
import type { Socket } from 'node:net';
import type { Forwarding } from '../exchange/forwarding.ts';
import type { Peer } from '../exchange/streams.ts';

/** The client's address, an IPv4 one as such; undefined: it is gone already. */
export function addressOf({ remoteAddress }: Socket): string | undefined {
  return remoteAddress?.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
}

/** The facts of a connection from `ip` that was accepted at `localPort`. */
export function peerOf(socket: Socket, ip: string, localPort: number, forwarding: Forwarding): Peer {
  return {
    ip,
    port: socket.remotePort ?? 0,
    localPort,
    listener: '',
    trusted: forwarding.trusts(ip),
    described: '',
    describedHost: undefined,
  };
}
