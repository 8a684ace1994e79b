// LogSink: writes lines to Weldr's own log.
import type { LineSink } from './line-buffer.ts';
import type { LostLines } from './lost-lines.ts';

/** Writes lines between those of the log, which reopens its own file. */
export class LogSink implements LineSink {
  readonly busy = false;
  onIdle = (): void => {};
  private readonly writeLog: (lines: string) => boolean;
  private readonly lost: LostLines;

  /** @param writeLog false: the lines are lost */
  constructor(writeLog: (lines: string) => boolean, lost: LostLines) {
    this.writeLog = writeLog;
    this.lost = lost;
  }

  write(lines: Buffer, count: number): void {
    if (!this.writeLog(lines.toString()))
      this.lost.add(count, 'the reader of stdout is too slow, or has left');
  }

  reopen(): void {}

  close(): void {}
}
