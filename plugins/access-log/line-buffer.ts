// LineBuffer: keeps lines until there is enough to write, or a moment has passed; of bounded size.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { LostLines } from './lost-lines.ts';

/** How long a line waits at most while the sink keeps up, ms. */
const interval = 100;
/** Characters that are written without waiting for more. */
const batch = 64 * 1024;
/** Characters that may wait for a sink which is slow. */
const most = 1024 * 1024;
/** The longest that an ending worker waits for its last lines, ms. */
const patience = 500;

/** Where lines go. */
export interface LineSink {
  /** Is it at work, so that nothing can be given to it? It calls `onIdle` when that is over. */
  readonly busy: boolean;
  /** Takes whole lines, and never waits. What becomes of them, it says to its {@link LostLines}. */
  write(lines: string, count: number): void;
  /** Opens its file anew. */
  reopen(): void;
  /** Lets go of it. */
  close(): void;
  onIdle: () => void;
}

/** The lines of one worker that are not written yet. */
export class LineBuffer {
  private readonly sink: LineSink;
  private readonly clock: Clock;
  private readonly lost: LostLines;
  private text = '';
  private count = 0;
  private timer: CancelTimer | undefined;
  private onEmpty: (() => void) | undefined;

  constructor(sink: LineSink, clock: Clock, lost: LostLines) {
    this.sink = sink;
    this.clock = clock;
    this.lost = lost;
    sink.onIdle = () => this.goOn();
  }

  add(line: string): void {
    const length = this.text.length + line.length;
    if (length > most) {
      this.lost.add(1, 'they are not written as fast as they come');
      return;
    }
    this.text += line;
    this.count++;
    if (length >= batch) this.flush();
    else if (this.timer === undefined) this.timer = this.clock.after(interval, this.onTime);
  }

  /** Writes what is there, and resolves when it is written, after half a second at the latest. */
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

  private flush(): void {
    if (this.sink.busy || this.count === 0) return;
    const { text, count } = this;
    this.text = '';
    this.count = 0;
    this.sink.write(text, count);
  }

  private goOn(): void {
    if (this.text.length >= batch || this.onEmpty !== undefined) this.flush();
    else if (this.count > 0 && this.timer === undefined) this.timer = this.clock.after(interval, this.onTime);
    if (this.count === 0 && !this.sink.busy) this.onEmpty?.();
  }
}
