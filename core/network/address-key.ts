// The key that a client is counted under: its address, or for IPv6, where addresses cost nothing, its network.

import { ipv6Groups } from './address-bytes.ts';
import { unixPeer } from './network.ts';

/**
 * Returns an IPv4 address as it is, and the network of an IPv6 address: by default its /64, all of which one subscriber
 * can use. An IPv4 address written as IPv6 counts as IPv4. All clients of unix sockets (`unix:`) share one key.
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
