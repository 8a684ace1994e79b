// AddressCounts: how many connections each client has, by its address key.
import { addressKey } from '../../network/address-key.ts';

/** Counts by address, where an IPv6 /64 counts as one. */
export class AddressCounts {
  private readonly counts = new Map<string, number>();

  of(ip: string): number {
    return this.counts.get(addressKey(ip)) ?? 0;
  }

  add(ip: string): void {
    const key = addressKey(ip);
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  remove(ip: string): void {
    const key = addressKey(ip);
    const rest = (this.counts.get(key) ?? 0) - 1;
    if (rest > 0) this.counts.set(key, rest);
    else this.counts.delete(key);
  }
}
