// AddressList: addresses and networks, and whether an address is among them.
import { BlockList, isIP } from 'node:net';

/** Answers that are kept, so that a client's further requests cost a look-up. */
const maxKept = 10_000;

/** Is this text an address or a network such as `10.0.0.0/8`? */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** A set of addresses and networks. IPv4 addresses written as IPv6 (`::ffff:10.0.0.1`) are the IPv4 addresses. */
export class AddressList {
  readonly isEmpty: boolean;
  private readonly list = new BlockList();
  private readonly kept = new Map<string, boolean>();

  /** @param networks addresses and networks that {@link isNetwork} accepts */
  constructor(networks: readonly string[]) {
    this.isEmpty = networks.length === 0;
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.list.addAddress(address, family);
      else this.list.addSubnet(address, Number(bits), family);
    }
  }

  /** Is this address in the list? What is no address is not. */
  has(ip: string): boolean {
    if (this.isEmpty) return false;
    const known = this.kept.get(ip);
    if (known !== undefined) return known;
    if (this.kept.size >= maxKept) this.kept.clear();
    const family = isIP(ip);
    const listed = family !== 0 && this.list.check(ip, family === 6 ? 'ipv6' : 'ipv4');
    this.kept.set(ip, listed);
    return listed;
  }
}
