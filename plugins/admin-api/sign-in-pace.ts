// SignInPace: whoever tries tokens has to wait longer each time.
import { isIPv6 } from 'node:net';

/** Attempts that are free. */
const free = 5;
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** Without a failure for so long, an address begins anew, ms. */
const forgottenAfterMs = 15 * 60_000;
/** Addresses that are known at a time; the one that failed longest ago makes room. */
const maxAddresses = 1_000;

interface Failures {
  count: number;
  last: number;
}

/** Failed attempts to sign in, by address; of IPv6 by network, as one caller has all addresses of one. */
export class SignInPace {
  private readonly failures = new Map<string, Failures>();

  /** How long an address has to wait before it may try again, ms; 0: it may. */
  waitOf(address: string, now: number): number {
    const failures = this.failures.get(networkOf(address));
    if (failures === undefined || failures.count < free) return 0;
    const wait = Math.min(firstWaitMs * 2 ** (failures.count - free), longestWaitMs);
    return Math.max(0, failures.last + wait - now);
  }

  failed(address: string, now: number): void {
    const network = networkOf(address);
    const before = this.failures.get(network);
    const count = before !== undefined && now - before.last < forgottenAfterMs ? before.count + 1 : 1;
    this.failures.delete(network);
    this.failures.set(network, { count, last: now });
    const longestAgo = this.failures.size > maxAddresses ? this.failures.keys().next().value : undefined;
    if (longestAgo !== undefined) this.failures.delete(longestAgo);
  }

  succeeded(address: string): void {
    this.failures.delete(networkOf(address));
  }
}

function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const parts = head.split(':').filter(part => part !== '');
  // What `::` leaves out are zeros.
  const missing =
    tail === undefined ? 0 : 8 - parts.length - tail.split(':').filter(part => part !== '').length;
  return [...parts, ...Array.from({ length: missing }, () => '0')].slice(0, 4).join(':');
}
