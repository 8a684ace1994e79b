// BatchWriter: writes the frames of one connection to its socket, all of a turn of the loop together.
import type { Duplex } from 'node:stream';
import { FrameWriter } from './frame-writer.ts';
import { releaseSlab, type Slab } from './slabs.ts';

/** Writes frames; they leave when {@link BatchWriter.wake} was called. */
export class BatchWriter extends FrameWriter {
  private readonly socket: Duplex;
  private scheduled = false;
  private closed = false;
  /** What the batches lie in that are being written, in order. */
  private readonly lent: (readonly Slab[])[] = [];

  constructor(socket: Duplex) {
    super();
    this.socket = socket;
  }

  /** Is the peer behind with reading? */
  get blocked(): boolean {
    return this.socket.writableNeedDrain;
  }

  /** Has what was written leave: `soon`, or at the end of the loop's turn, in which more is to come. */
  wake(when: 'soon' | 'at the end'): void {
    if (this.scheduled) return;
    this.scheduled = true;
    if (when === 'at the end') setImmediate(this.flush);
    else process.nextTick(this.flush);
  }

  /** Sends what was written, and nothing more from then on. */
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

  /** Batches leave in the order in which they were written. */
  private readonly onWritten = (): void => {
    for (const slab of this.lent.shift() ?? []) releaseSlab(slab);
  };
}
