// TraceIds: the ids of traces and spans, and which traces are recorded.
import { randomFillSync } from 'node:crypto';

/** Random numbers that are fetched at once: a call for each id would cost more than all the rest. */
const batch = 4096;
const numbersATrace = 8;
const numbersASpan = 4;

/** Two bytes in hexadecimal. */
const hex = Array.from({ length: 65_536 }, (_, n) => n.toString(16).padStart(4, '0'));

/** Makes ids that nobody can guess, and chooses a share of the traces. */
export class TraceIds {
  private readonly numbers = new Uint16Array(batch);
  private readonly least: number;
  private used = batch;
  /** Of the trace that was made last: is it one of the share? */
  sampled = false;

  /**
   * `share`: from 0 to 1. Which traces are in it follows from the last 56 bits of their ids, of which the first 40 are enough: so
   * OpenTelemetry's samplers by probability have it, and a smaller share of another service is a part of a larger one.
   */
  constructor(share: number) {
    this.least = (1 - share) * 2 ** 40;
  }

  /** The id of a new trace; `sampled` says whether it is recorded. */
  trace(): string {
    const at = this.take(numbersATrace);
    const { numbers } = this;
    const [e = 0, f = 0, g = 0] = [numbers[at + 4], numbers[at + 5], numbers[at + 6]];
    this.sampled = (e & 0xff) * 2 ** 32 + f * 2 ** 16 + g >= this.least;
    return this.half(at) + this.half(at + numbersASpan);
  }

  /** The id of a new span. */
  span(): string {
    return this.half(this.take(numbersASpan));
  }

  private take(count: number): number {
    if (this.used + count > batch) {
      randomFillSync(this.numbers);
      this.used = 0;
    }
    const at = this.used;
    this.used += count;
    return at;
  }

  private half(at: number): string {
    const { numbers } = this;
    const [a = 0, b = 0, c = 0, d = 0] = [numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]];
    return `${hex[a]}${hex[b]}${hex[c]}${hex[d]}`;
  }
}
