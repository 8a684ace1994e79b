// ClientAddress: whether a client has an address.
import { unixPeer, unknownClient } from './network.ts';

/** Returns whether `ctx.clientIp` is an address: it is not for a client of a unix socket, or if a trusted proxy reports none. */
export function hasAddress(clientIp: string): boolean {
  return clientIp !== unixPeer && clientIp !== unknownClient;
}
