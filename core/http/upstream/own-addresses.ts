// OwnAddresses: where this Weldr itself listens. No upstream may have one of these addresses: its requests would loop forever.

import { unixPathOf } from '../../network/unix-path.ts';
import { parseTcpAddress } from '../../settings/listen.ts';

/** The two ends of a connection, as a socket reports them. */
interface Ends {
  readonly localAddress?: string | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** Addresses that stand for all addresses of a machine. */
const everywhere: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** The addresses that this Weldr listens on, in all its processes. */
export class OwnAddresses {
  private readonly hostsByPort = new Map<number, Set<string>>();
  private readonly paths = new Set<string>();

  /** `address`: `HOST:PORT`, `[IPv6]:PORT` or `unix:/PATH`, where HOST is an IP address. */
  add(address: string): void {
    const path = unixPathOf(address);
    if (path !== undefined) {
      this.paths.add(path);
      return;
    }
    const parsed = parseTcpAddress(address);
    if (parsed === undefined) return;
    const hosts = this.hostsByPort.get(parsed.port) ?? new Set();
    this.hostsByPort.set(parsed.port, hosts.add(unmapped(parsed.host)));
  }

  hasPath(path: string): boolean {
    return this.paths.has(path);
  }

  /** Returns whether any of them has this port. Makes no system call. */
  hasPort(port: number): boolean {
    return this.hostsByPort.has(port);
  }

  /** Returns whether one of them is the other end of this connection. */
  hasPeerOf({ localAddress, remoteAddress, remotePort }: Ends): boolean {
    const hosts = this.hostsByPort.get(remotePort ?? 0);
    if (hosts === undefined || remoteAddress === undefined || localAddress === undefined) return false;
    const remote = unmapped(remoteAddress);
    if (hosts.has(remote)) return true;
    const isHere = remote.startsWith('127.') || remote === '::1' || remote === unmapped(localAddress);
    return isHere && [...hosts].some(host => everywhere.has(host));
  }
}

/** Returns an IPv4-mapped IPv6 address as IPv4. */
function unmapped(ip: string): string {
  return ip.toLowerCase().replace(/^::ffff:(?=[\d.]+$)/, '');
}

/** The error of a socket whose other end is this Weldr itself. */
export class OwnAddressError extends Error {
  constructor() {
    super('this Weldr itself listens there; remove it from the pool');
  }
}
