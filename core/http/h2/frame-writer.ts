// FrameWriter: encodes frames (RFC 9113 sections 4 and 6) and collects them in batches, each sent in one write.
import { clientPreface, defaultMaxFrameSize, frameFlag, frameHeaderSize, frameType } from './frames.ts';
import { giveBackSlab, type Slab, takeSlab } from './slabs.ts';

/** Whether a frame ends its side of the stream. */
export type Ending = 'end' | 'open';

/** Payloads of up to this many bytes are always copied, which is cheaper than a separate part of a write. */
const smallPayload = 2048;
/** Fewer bytes than this are copied one by one, which is cheaper than a call. */
const shortCopy = 40;
const maxDebugBytes = 256;

const noSlabs: readonly Slab[] = [];

/** Writes the frames of one connection. Arguments are not checked. */
export class FrameWriter {
  /** The peer's SETTINGS_MAX_FRAME_SIZE, at which DATA and field blocks are split. */
  maxFrameSize = defaultMaxFrameSize;
  private batchSize = 0;
  /** The complete parts of the batch. The next one is being written to `slab`, from `start` on. */
  private parts: Buffer[] = [];
  private slab: Slab | undefined = undefined;
  /** The slabs of the batch. */
  private slabs: Slab[] = [];
  /** The slabs of the batch that was taken last. */
  private taken: readonly Slab[] = noSlabs;
  private start = 0;

  /** How many bytes the batch has. */
  get size(): number {
    return this.batchSize;
  }

  /** Writes what a client sends before any frame. */
  preface(): void {
    this.append(clientPreface, 0, clientPreface.length);
  }

  settings(pairs: readonly (readonly [id: number, value: number])[]): void {
    this.header(6 * pairs.length, frameType.settings, 0, 0);
    for (const [id, value] of pairs) {
      this.number(id, 2);
      this.number(value, 4);
    }
  }

  settingsAck(): void {
    this.header(0, frameType.settings, frameFlag.ack, 0);
  }

  /** `payload`: 8 bytes, copied. */
  ping(payload: Buffer, as: 'ask' | 'ack'): void {
    this.header(8, frameType.ping, as === 'ack' ? frameFlag.ack : 0, 0);
    this.append(payload, 0, 8);
  }

  /** `streamId` 0: the connection's window. `increment`: from 1 to 2^31 - 1. */
  windowUpdate(streamId: number, increment: number): void {
    this.header(4, frameType.windowUpdate, 0, streamId);
    this.number(increment, 4);
  }

  rstStream(streamId: number, code: number): void {
    this.header(4, frameType.rstStream, 0, streamId);
    this.number(code, 4);
  }

  /** `debug`: latin1, cut at 256 characters. */
  goAway(lastStreamId: number, code: number, debug = ''): void {
    const text = Buffer.from(debug.slice(0, maxDebugBytes), 'latin1');
    this.header(8 + text.length, frameType.goAway, 0, 0);
    this.number(lastStreamId, 4);
    this.number(code, 4);
    this.append(text, 0, text.length);
  }

  /** Writes a copy of a complete field block in as many frames as the peer's limit requires. */
  headers(streamId: number, block: Buffer, ending: Ending): void {
    const { length } = block;
    const streamFlag = ending === 'end' ? frameFlag.endStream : 0;
    let end = Math.min(length, this.maxFrameSize);
    this.header(end, frameType.headers, streamFlag | (end === length ? frameFlag.endHeaders : 0), streamId);
    this.append(block, 0, end);
    while (end < length) {
      const start = end;
      end = Math.min(length, start + this.maxFrameSize);
      this.header(end - start, frameType.continuation, end === length ? frameFlag.endHeaders : 0, streamId);
      this.append(block, start, end);
    }
  }

  /**
   * Writes a payload in as many frames as the peer's limit requires; an empty one takes one frame. A payload over 2 KiB is not
   * copied, so its bytes must not change until the batch has been sent. The caller handles flow control.
   */
  data(streamId: number, buffer: Buffer, start: number, end: number, ending: Ending): void {
    if (end - start <= smallPayload) {
      this.copyData(streamId, buffer, start, end, ending);
      return;
    }
    for (let from = start; from < end; ) {
      const to = this.dataHeader(streamId, from, end, ending);
      this.closePart();
      this.parts.push(buffer.subarray(from, to));
      this.batchSize += to - from;
      from = to;
    }
  }

  /** Does the same as {@link data} for bytes that may change as soon as it returns. */
  copyData(streamId: number, buffer: Buffer, start: number, end: number, ending: Ending): void {
    let from = start;
    do {
      const to = this.dataHeader(streamId, from, end, ending);
      this.append(buffer, from, to);
      from = to;
    } while (from < end);
  }

  /**
   * Returns the parts of the batch, in order, and starts the next one. The list is empty if there are no frames. Its memory is
   * reused once all of {@link takeSlabs} are released.
   */
  take(): Buffer | Buffer[] {
    const { parts, slab } = this;
    if (slab !== undefined) {
      this.closePart();
      this.slab = undefined;
      this.leave(slab);
    }
    this.taken = this.slabs;
    this.slabs = [];
    this.batchSize = 0;
    if (parts.length === 0) return [];
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) {
      parts.length = 0;
      return only;
    }
    this.parts = [];
    return parts;
  }

  /** Returns the slabs of the batch that was just taken. Call `releaseSlab` for each once the batch has been sent. */
  takeSlabs(): readonly Slab[] {
    const { taken } = this;
    this.taken = noSlabs;
    return taken;
  }

  private leave(slab: Slab): void {
    slab.batches++;
    this.slabs.push(slab);
    giveBackSlab(slab);
  }

  /** Writes the header of the frame whose payload begins at `from`. Returns where that payload ends. */
  private dataHeader(streamId: number, from: number, end: number, ending: Ending): number {
    const to = Math.min(end, from + this.maxFrameSize);
    const flags = ending === 'end' && to === end ? frameFlag.endStream : 0;
    this.header(to - from, frameType.data, flags, streamId);
    return to;
  }

  private header(length: number, type: number, flags: number, streamId: number): void {
    const slab = this.room(frameHeaderSize);
    const { bytes, used } = slab;
    bytes[used] = length >>> 16;
    bytes[used + 1] = length >>> 8;
    bytes[used + 2] = length;
    bytes[used + 3] = type;
    bytes[used + 4] = flags;
    bytes[used + 5] = streamId >>> 24;
    bytes[used + 6] = streamId >>> 16;
    bytes[used + 7] = streamId >>> 8;
    bytes[used + 8] = streamId;
    slab.used = used + frameHeaderSize;
    this.batchSize += frameHeaderSize;
  }

  private number(value: number, bytes: number): void {
    const slab = this.room(bytes);
    for (let shift = 8 * (bytes - 1); shift >= 0; shift -= 8) slab.bytes[slab.used++] = value >>> shift;
    this.batchSize += bytes;
  }

  /** Copies bytes to the batch, across as many slabs as needed. */
  private append(buffer: Buffer, start: number, end: number): void {
    this.batchSize += end - start;
    for (let from = start; from < end; ) {
      const slab = this.room(1);
      const { bytes, used } = slab;
      const to = Math.min(end, from + bytes.length - used);
      slab.used = used + to - from;
      if (to - from <= shortCopy) {
        for (let pos = from, at = used; pos < to; pos++) bytes[at++] = buffer[pos] ?? 0;
      } else {
        buffer.copy(bytes, used, from, to);
      }
      from = to;
    }
  }

  /** Returns the slab to write to, with room for this many contiguous bytes. */
  private room(bytes: number): Slab {
    const { slab } = this;
    if (slab !== undefined && slab.bytes.length - slab.used >= bytes) return slab;
    this.closePart();
    if (slab !== undefined) this.leave(slab);
    const next = takeSlab();
    this.slab = next;
    this.start = next.used;
    return next;
  }

  private closePart(): void {
    const { slab, start } = this;
    if (slab === undefined || slab.used === start) return;
    this.parts.push(slab.bytes.subarray(start, slab.used));
    this.start = slab.used;
  }
}
