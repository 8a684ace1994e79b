// UUIDs of version 7 (RFC 9562 section 5.7), which sort by creation time.
import { randomFillSync } from 'node:crypto';

/** The number of ids whose random bytes are fetched at once: a call for each would cost more than all the rest. */
const batch = 128;
/** Random bytes of one id, and the characters that they become: `7rrr-vrrr-rrrrrrrrrrrr`. */
const bytesEach = 10;
const charsEach = 22;

const hyphen = 0x2d;
const digits = Buffer.from('0123456789abcdef', 'latin1');

/** Makes UUIDs. The 74 bits besides the time are random, so that ids of other requests cannot be guessed. */
export class UuidSource {
  private readonly random = new Uint8Array(batch * bytesEach);
  private readonly chars = Buffer.alloc(batch * charsEach);
  private text = '';
  private used = batch;
  private ms = -1;
  private prefix = '';

  /** @param ms the wall-clock time, ms since the epoch */
  next(ms: number): string {
    if (this.used === batch) this.refill();
    if (ms !== this.ms) this.setTime(ms);
    const start = this.used++ * charsEach;
    return this.prefix + this.text.slice(start, start + charsEach);
  }

  private setTime(ms: number): void {
    this.ms = ms;
    const time = Math.floor(ms).toString(16).padStart(12, '0');
    this.prefix = `${time.slice(0, 8)}-${time.slice(8)}-`;
  }

  private refill(): void {
    randomFillSync(this.random);
    for (let id = 0; id < batch; id++) this.write(id);
    this.text = this.chars.toString('latin1');
    this.used = 0;
  }

  private write(id: number): void {
    const { random, chars } = this;
    const from = id * bytesEach;
    let at = id * charsEach;
    for (let n = 0; n < bytesEach; n++) {
      let byte = random[from + n] ?? 0;
      // The version, and the variant.
      if (n === 0) byte = 0x70 | (byte & 0x0f);
      if (n === 2) byte = 0x80 | (byte & 0x3f);
      if (n === 2 || n === 4) chars[at++] = hyphen;
      chars[at++] = digits[byte >> 4] ?? 0;
      chars[at++] = digits[byte & 0x0f] ?? 0;
    }
  }
}
