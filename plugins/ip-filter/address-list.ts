// AddressList: addresses and networks, and whether an address is among them.
import { BlockList, isIP } from 'node:net';
import { unixPeer } from '../../core/settings/network.ts';

/** Answers that are kept, so that a client's further requests cost a look-up. */
const maxKept = 10_000;

/** A set of addresses and networks, and `unix:` for clients that have none. IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`) are the IPv4 addresses. */
export class AddressList {
  readonly isEmpty: boolean;
  private readonly hasUnix: boolean;
  private readonly list = new BlockList();
  private readonly kept = new Map<string, boolean>();

  /** @param networks addresses, networks such as `10.0.0.0/8`, and `unix:` */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    this.hasUnix = networks.includes(unixPeer);
    for (const network of networks) {
      if (network === unixPeer) continue;
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.list.addAddress(address, family);
      else this.list.addSubnet(address, Number(bits), family);
    }
  }

  /** Is this address in the list? What is no address is not. */
  has(ip: string): boolean {
    if (this.isEmpty) return false;
    if (ip === unixPeer) return this.hasUnix;
    const known = this.kept.get(ip);
    if (known !== undefined) return known;
    if (this.kept.size >= maxKept) this.kept.clear();
    const family = isIP(ip);
    const listed = family !== 0 && this.list.check(ip, family === 6 ? 'ipv6' : 'ipv4');
    this.kept.set(ip, listed);
    return listed;
  }
}
