// TraceIds: the ids of traces and spans, and which traces are recorded.
import { randomFillSync } from 'node:crypto';

/** Random bytes that are fetched and written out at once: a call for each id would cost more than all the rest. */
const batch = 8192;
const bytesATrace = 16;
const bytesASpan = 8;

/** Makes ids that nobody can guess, and chooses a share of the traces. */
export class TraceIds {
  private readonly bytes = Buffer.alloc(batch);
  private readonly least: number;
  /** The bytes in hexadecimal. */
  private text = '';
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
    const at = this.take(bytesATrace);
    this.sampled = this.bytes.readUIntBE(at + 9, 5) >= this.least;
    return this.text.slice(2 * at, 2 * (at + bytesATrace));
  }

  /** The id of a new span. */
  span(): string {
    const at = this.take(bytesASpan);
    return this.text.slice(2 * at, 2 * (at + bytesASpan));
  }

  private take(count: number): number {
    if (this.used + count > batch) {
      randomFillSync(this.bytes);
      this.text = this.bytes.toString('hex');
      this.used = 0;
    }
    const at = this.used;
    this.used += count;
    return at;
  }
}
