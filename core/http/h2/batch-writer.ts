// BatchWriter: writes one connection's frames to its socket, those of one turn of the event loop together.
import type { Duplex } from 'node:stream';
import { FrameWriter } from './frame-writer.ts';
import { releaseSlab, type Slab } from './slabs.ts';

/** Collects frames and sends them after {@link BatchWriter.wake}. */
export class BatchWriter extends FrameWriter {
  private readonly socket: Duplex;
  private scheduled = false;
  private closed = false;
  /** The slabs of the batches being written, in order. */
  private readonly lent: (readonly Slab[])[] = [];

  constructor(socket: Duplex) {
    super();
    this.socket = socket;
  }

  /** Whether the peer is slow to read. */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Sends what was written: `soon`, or at the end of the event loop's turn if more is likely to come in it. */
  wake(when: 'soon' | 'at the end'): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (when === 'at the end') setImmediate(this.flush);
    else process.nextTick(this.flush);
  }

  /** Sends what was written, then nothing more. */
  close(): void {
    this.send();
    this.closed = true;
  }

  private readonly flush = (): void => {
    this.scheduled = false;
    if (!this.closed) this.send();
  };

  private send(): void {
    const batch = this.take();
    if (batch.length === 0) return;
    this.lent.push(this.takeSlabs());
    if (!Array.isArray(batch)) {
      this.socket.write(batch, this.onWritten);
      return;
    }
    this.socket.cork();
    for (const [n, bytes] of batch.entries()) {
      if (n < batch.length - 1) this.socket.write(bytes);
      else this.socket.write(bytes, this.onWritten);
    }
    this.socket.uncork();
  }

  /** Releases the slabs of the first batch: batches are sent in the order in which they were written. */
  private readonly onWritten = (): void => {
    for (const slab of this.lent.shift() ?? []) releaseSlab(slab);
  };
}
