// LineBuffer: collects lines until there are enough to write, or a moment has passed; its size is bounded.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { LostLines } from './lost-lines.ts';

/** The longest that a line waits while the sink keeps up, ms. */
const interval = 100;
/** The number of bytes that are written at once. */
const batch = 64 * 1024;
/** The number of characters that are encoded at once. */
const piece = 4 * 1024;
/** The most bytes that may wait for a slow sink. */
const most = 1024 * 1024;
/** The most bytes that a UTF-16 unit becomes in UTF-8. */
const unit = 3;
/** The longest that an ending worker waits for its last lines, ms. */
const patience = 500;

/** The destination of lines. */
export interface LineSink {
  /** Whether it is writing and takes no lines. It calls `onIdle` when it is done. */
  readonly busy: boolean;
  /**
   * Writes whole lines without waiting. It may read them until it is no longer `busy`. Reports those that it loses to its
   * {@link LostLines}.
   */
  write(lines: Buffer, count: number): void;
  /** Reopens its file. */
  reopen(): void;
  /** Closes its file. */
  close(): void;
  onIdle: () => void;
}

/**
 * Holds the lines of one worker that are not written yet, most of them as bytes: a text of 64 KB that grows line by line would
 * live long enough for the collector to copy it, and then to mark the whole heap.
 */
export class LineBuffer {
  private readonly sink: LineSink;
  private readonly clock: Clock;
  private readonly lost: LostLines;
  /** One collects lines while the sink writes the other; their unused pages take no memory. */
  private filling = Buffer.allocUnsafeSlow(most);
  private written = Buffer.allocUnsafeSlow(most);
  private length = 0;
  /** Lines that are not encoded yet. */
  private text = '';
  private count = 0;
  private timer: CancelTimer | undefined;
  private onEmpty: (() => void) | undefined;

  constructor(sink: LineSink, clock: Clock, lost: LostLines) {
    this.sink = sink;
    this.clock = clock;
    this.lost = lost;
    sink.onIdle = () => this.resume();
  }

  add(line: string): void {
    const couldFill = (this.text.length + line.length) * unit > most - this.length;
    if (couldFill && !this.hasRoom(line)) {
      this.lost.add(1, 'they arrive faster than they can be written');
      return;
    }
    this.text += line;
    this.count++;
    if (this.text.length >= piece) this.encode();
    if (this.length >= batch) this.flush();
    else if (this.timer === undefined) this.timer = this.clock.after(interval, this.onTime);
  }

  /** Writes the remaining lines. Resolves once they are written, after half a second at the latest. */
  async close(): Promise<void> {
    this.flush();
    if (this.sink.busy) {
      await new Promise<void>(resolve => {
        const cancel = this.clock.after(patience, resolve);
        this.onEmpty = () => {
          cancel();
          resolve();
        };
      });
    }
    this.timer?.();
    this.sink.close();
  }

  private readonly onTime = (): void => {
    this.timer = undefined;
    this.flush();
  };

  private hasRoom(line: string): boolean {
    this.encode();
    return Buffer.byteLength(line) <= most - this.length;
  }

  private encode(): void {
    this.length += this.filling.write(this.text, this.length);
    this.text = '';
  }

  private flush(): void {
    if (this.sink.busy || this.count === 0) return;
    this.encode();
    const { filling, length, count } = this;
    this.filling = this.written;
    this.written = filling;
    this.length = 0;
    this.count = 0;
    this.sink.write(filling.subarray(0, length), count);
  }

  private resume(): void {
    if (this.length >= batch || this.onEmpty !== undefined) this.flush();
    else if (this.count > 0 && this.timer === undefined) this.timer = this.clock.after(interval, this.onTime);
    if (this.count === 0 && !this.sink.busy) this.onEmpty?.();
  }
}
