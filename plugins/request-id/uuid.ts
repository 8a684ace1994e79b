// UUIDs of version 7 (RFC 9562 section 5.7): they sort by the time at which they were made.
import { randomFillSync } from 'node:crypto';

/** Random numbers that are fetched at once: a call for each id would cost more than all the rest. */
const batch = 1024;
const numbersEach = 5;

/** Two bytes in hexadecimal. */
const hex = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, '0'));

/** Makes UUIDs. The 74 bits beside the time are random, so that nobody can guess the id of another request. */
export class UuidSource {
  private readonly numbers = new Uint16Array(batch);
  private used = batch;
  private ms = -1;
  private prefix = '';

  /** @param ms the wall time, since the epoch */
  next(ms: number): string {
    if (this.used + numbersEach > batch) {
      randomFillSync(this.numbers);
      this.used = 0;
    }
    if (ms !== this.ms) this.setTime(ms);
    const { numbers, used } = this;
    this.used += numbersEach;
    const versioned = hex[0x7000 | ((numbers[used] ?? 0) & 0x0fff)];
    const varied = hex[0x8000 | ((numbers[used + 1] ?? 0) & 0x3fff)];
    const [c, d, e] = [numbers[used + 2] ?? 0, numbers[used + 3] ?? 0, numbers[used + 4] ?? 0];
    return `${this.prefix}${versioned}-${varied}-${hex[c]}${hex[d]}${hex[e]}`;
  }

  private setTime(ms: number): void {
    this.ms = ms;
    const time = Math.floor(ms).toString(16).padStart(12, '0');
    this.prefix = `${time.slice(0, 8)}-${time.slice(8)}-`;
  }
}
