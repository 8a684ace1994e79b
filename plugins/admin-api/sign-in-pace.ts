// SignInPace: whoever tries tokens has to wait longer each time.
import { keepNewest } from '../../core/bounded/newest.ts';
import { addressKey } from '../../core/network/address-key.ts';
import { backOff } from '../../core/time/back-off.ts';

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
    const failures = this.failures.get(addressKey(address));
    if (failures === undefined || failures.count < free) return 0;
    const wait = backOff(failures.count - free + 1, firstWaitMs, longestWaitMs);
    return Math.max(0, failures.last + wait - now);
  }

  failed(address: string, now: number): void {
    const network = addressKey(address);
    const before = this.failures.get(network);
    const count = before !== undefined && now - before.last < forgottenAfterMs ? before.count + 1 : 1;
    this.failures.delete(network);
    this.failures.set(network, { count, last: now });
    keepNewest(this.failures, maxAddresses);
  }

  succeeded(address: string): void {
    this.failures.delete(addressKey(address));
  }
}
