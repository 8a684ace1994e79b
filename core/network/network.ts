// Networks: addresses and networks as people write them, and sets of them to look addresses up in.

import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { Generations } from '../bounded/generations.ts';

/** Results that are kept, so that a client's next requests cost one look-up. */
const maxKept = 10_000;

/** The longest address that is kept: an IPv6 address and a zone. A zone may be of any length. */
const maxKeptLength = 64;

/** Returns whether a text is an address or a network such as `10.0.0.0/8`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** An address or a network, for the schemas of options and settings. */
export const network = z
  .string()
  .refine(isNetwork, {
    error: issue =>
      `expected an address or a network such as "10.0.0.0/8", got ${JSON.stringify(issue.input)}`,
  })
  .meta({ examples: ['10.0.0.0/8'] });

/** Stands for the address of a client of a unix socket, in `ctx.clientIp` and in lists of peers. */
export const unixPeer = 'unix:';

/**
 * Stands for the address of a client in `ctx.clientIp` when the trusted proxies in front name none. It is in no network,
 * and lists treat it as a client without an address.
 */
export const unknownClient = 'unknown';

/** A peer, for the schemas of options and settings: an address, a network, or `unix:`. */
export const peer = z.string().refine(text => text === unixPeer || isNetwork(text), {
  error: issue =>
    `expected an address, a network such as "10.0.0.0/8" or "${unixPeer}", got ${JSON.stringify(issue.input)}`,
});

/** IPv4 addresses written as IPv6 (RFC 4291 section 2.5.5.2). */
const mapped = new BlockList();
mapped.addSubnet('::ffff:0:0', 96, 'ipv6');

/**
 * A set of addresses and networks. IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`) are the IPv4 addresses, in the
 * set and in what is looked up; so `::/0` is all of IPv6 and none of IPv4.
 *
 * @example new NetworkSet(['10.0.0.0/8', '2001:db8::1']).has('10.1.2.3') // true
 */
export class NetworkSet {
  readonly isEmpty: boolean;
  private readonly hasUnix: boolean;
  private readonly ipv4 = new BlockList();
  private readonly ipv6 = new BlockList();
  private readonly kept = new Generations<boolean>(maxKept);

  /** @param networks addresses and networks that {@link isNetwork} accepts, and `unix:` */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    this.hasUnix = networks.includes(unixPeer);
    for (const text of networks) if (text !== unixPeer) this.add(text);
  }

  private add(text: string): void {
    const [address = '', length] = text.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const bits = length === undefined ? (family === 'ipv6' ? 128 : 32) : Number(length);
    const isIpv4 = family === 'ipv4' || (bits >= 96 && mapped.check(address, 'ipv6'));
    (isIpv4 ? this.ipv4 : this.ipv6).addSubnet(address, bits, family);
  }

  /** Returns whether an address is in the set. Text that is not an address is not; `unix:` is if the set names it. */
  has(ip: string): boolean {
    if (this.isEmpty) return false;
    const known = this.kept.get(ip);
    if (known !== undefined) return known;
    const family = isIP(ip);
    // Only addresses are kept: a field from a stranger may hold any text of any length.
    if (family === 0) return this.hasUnix && ip === unixPeer;
    const listed = family === 4 ? this.ipv4.check(ip, 'ipv4') : this.hasIpv6(ip);
    if (ip.length > maxKeptLength) return listed;
    this.kept.set(ip, listed);
    return listed;
  }

  private hasIpv6(ip: string): boolean {
    return (mapped.check(ip, 'ipv6') ? this.ipv4 : this.ipv6).check(ip, 'ipv6');
  }
}
