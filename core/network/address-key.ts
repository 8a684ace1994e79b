// The key that a client is counted under, by connections and by requests: its address, or its network where addresses
// cost nothing.

import { ipv6Groups } from './address-bytes.ts';
import { unixPeer } from './network.ts';

/**
 * An IPv4 address as it is, an IPv6 address by its network, the /64 by default: what one subscriber gets, who may change
 * the rest with every request. An IPv4 address that is written as IPv6 counts as IPv4. Clients without an address
 * (`unix:`) are one.
 *
 * @param prefix bits of an IPv6 address that count
 */
export function addressKey(ip: string, prefix = 64): string {
  if (!ip.includes(':') || ip === unixPeer) return ip;
  if (ip.includes('.')) return ip.slice(ip.lastIndexOf(':') + 1);
  const groups = ipv6Groups(ip);
  if (prefix === 64) return `${groups.slice(0, 4).map(hex).join(':')}::/64`;
  return `${masked(groups, prefix).join(':')}::/${prefix}`;
}

function masked(groups: readonly number[], prefix: number): string[] {
  return groups.slice(0, Math.ceil(prefix / 16)).map((group, at) => {
    const bits = Math.min(16, prefix - at * 16);
    return hex(group & (0xffff << (16 - bits)));
  });
}

const hex = (group: number): string => group.toString(16);
