// TraceIds: makes the ids of traces and spans, and decides which traces are recorded.
import { randomFillSync } from 'node:crypto';

/** Random bytes that are fetched and converted at once: a call for each id would cost more than all the rest. */
const batch = 8192;
const bytesATrace = 16;
const bytesASpan = 8;

/** Makes ids that cannot be guessed, and chooses a share of the traces. */
export class TraceIds {
  private readonly bytes = Buffer.alloc(batch);
  private readonly least: number;
  /** The bytes in hexadecimal. */
  private text = '';
  private used = batch;
  /** Whether the last trace made is in the share. */
  sampled = false;

  /**
   * `share`: from 0 to 1. The last 56 bits of an id decide, as in OpenTelemetry's probability samplers, so that a smaller share
   * of another service is a part of a larger one. Their first 40 bits are enough.
   */
  constructor(share: number) {
    this.least = (1 - share) * 2 ** 40;
  }

  /** Returns the id of a new trace; `sampled` then says whether to record it. */
  trace(): string {
    const at = this.take(bytesATrace);
    this.sampled = this.bytes.readUIntBE(at + 9, 5) >= this.least;
    return this.text.slice(2 * at, 2 * (at + bytesATrace));
  }

  /** Returns the id of a new span. */
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
