// SignInPace: makes a caller that fails to sign in again and again wait longer each time.
import { keepNewest } from '../../core/bounded/newest.ts';
import { addressKey } from '../../core/network/address-key.ts';
import { backOff } from '../../core/time/back-off.ts';

/** Attempts without a wait. */
const free = 5;
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** After this time without a failure an address starts afresh, ms. */
const forgottenAfterMs = 15 * 60_000;
/** The most addresses kept; the one that failed longest ago is dropped. */
const maxAddresses = 1_000;

interface Failures {
  count: number;
  last: number;
}

/** Failed attempts to sign in, by address; for IPv6 by network, because one caller has all of its addresses. */
export class SignInPace {
  private readonly failures = new Map<string, Failures>();

  /** Returns how long an address has to wait before its next attempt, ms; 0: not at all. */
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
