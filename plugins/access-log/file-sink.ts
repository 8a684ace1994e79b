// FileSink: appends lines to a file, one write after another, without ever waiting for it.
import { close, constants, fstat, open, type Stats, stat, write } from 'node:fs';
import { describeError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { LineSink } from './line-buffer.ts';
import type { LostLines, LostLinesMeans } from './lost-lines.ts';

// Without O_NONBLOCK a FIFO that nobody reads would hold a thread for ever; to files it means nothing.
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o640;
/** How often it is looked whether the file is still at its path, and how soon one that cannot be opened is tried again, ms. */
const lookInterval = 1_000;
/** So much of a write to a FIFO is never mixed with that of another process (POSIX). */
const pipeBuffer = 4096;
/** How soon a FIFO that is full is tried again, ms. */
const fullPause = 50;
const newline = 0x0a;
/** Bytes of a buffer that is used again for each write; longer texts get one of their own. */
const room = 256 * 1024;

interface OpenFile {
  readonly descriptor: number;
  readonly inode: number;
  readonly device: number;
  readonly isFifo: boolean;
}

/**
 * A file that several workers append to: whole lines each write. It is opened anew when another one, or none, is at its
 * path: when it was renamed or removed, as logrotate does. A file that cannot be opened is tried again; until then lines
 * are lost.
 */
export class FileSink implements LineSink {
  onIdle = (): void => {};
  private readonly path: string;
  private readonly clock: Clock;
  private readonly log: LostLinesMeans['log'];
  private readonly lost: LostLines;
  private file: OpenFile | undefined;
  private opening = false;
  private openFailure = '';
  private openedAt = 0;
  private lookedAt = 0;
  private wanted = false;
  private readonly bytes = Buffer.allocUnsafeSlow(room);
  /** What is being written, and how many lines of it are not written. */
  private rest: Buffer | undefined;
  private restLines = 0;
  /** The last line that was written is not whole. */
  private torn = false;
  private closed = false;

  /** Begins to open it. */
  constructor(path: string, { clock, log }: Pick<LostLinesMeans, 'clock' | 'log'>, lost: LostLines) {
    this.path = path;
    this.clock = clock;
    this.log = log;
    this.lost = lost;
    this.open();
  }

  get busy(): boolean {
    return this.rest !== undefined || (this.opening && this.file === undefined);
  }

  write(lines: string, count: number): void {
    if (this.file === undefined) {
      this.lost.add(count, this.openFailure);
      if (!this.closed && this.clock.monotonic() - this.openedAt >= lookInterval) this.open();
      return;
    }
    this.rest = this.bytesOf(this.torn ? `\n${lines}` : lines);
    this.restLines = count;
    this.writeRest(this.file);
    this.look(this.file);
  }

  reopen(): void {
    if (this.opening) this.wanted = true;
    else this.open();
  }

  close(): void {
    this.closed = true;
    const { file } = this;
    this.file = undefined;
    this.openFailure ||= 'it came when all was over';
    if (file !== undefined && this.rest === undefined) close(file.descriptor);
  }

  // --- opening -------------------------------------------------------------------------------------------------

  private open(): void {
    this.opening = true;
    this.openedAt = this.clock.monotonic();
    open(this.path, flags, mode, (error, descriptor) => {
      if (error !== null) this.opened(undefined, error);
      else fstat(descriptor, (failure, stats) => this.opened(descriptor, failure, stats));
    });
  }

  private opened(descriptor: number | undefined, error: Error | null, stats?: Stats): void {
    this.opening = false;
    if (descriptor !== undefined && (stats === undefined || this.closed)) close(descriptor);
    if (this.closed) return;
    if (descriptor === undefined || stats === undefined) this.cannotOpen(reasonOf(error, this.path));
    else this.use({ descriptor, inode: stats.ino, device: stats.dev, isFifo: stats.isFIFO() });
    if (this.wanted) {
      this.wanted = false;
      this.open();
    }
    if (!this.busy) this.onIdle();
  }

  private cannotOpen(why: string): void {
    if (this.file !== undefined && why !== this.openFailure) {
      this.log.warn(`the access log cannot be opened anew, and the old file is written on: ${why}`);
    }
    this.openFailure = why;
  }

  /** What is being written ends in the old file. */
  private use(file: OpenFile): void {
    const old = this.file;
    this.file = file;
    this.openFailure = '';
    this.torn = false;
    if (old !== undefined && this.rest === undefined) close(old.descriptor);
  }

  /** Is it still the file at its path? */
  private look({ inode, device }: OpenFile): void {
    const now = this.clock.monotonic();
    if (now - this.lookedAt < lookInterval || this.opening) return;
    this.lookedAt = now;
    stat(this.path, (error, stats) => {
      const isGone =
        error !== null ? codeOf(error) === 'ENOENT' : stats.ino !== inode || stats.dev !== device;
      if (isGone && !this.closed && !this.opening && this.file?.inode === inode) this.open();
    });
  }

  // --- writing -------------------------------------------------------------------------------------------------

  /** One write runs at a time, so one buffer is enough. */
  private bytesOf(text: string): Buffer {
    // A UTF-16 unit becomes 3 bytes at most.
    if (text.length * 3 > room) return Buffer.from(text);
    return this.bytes.subarray(0, this.bytes.write(text));
  }

  private writeRest(file: OpenFile): void {
    const { rest } = this;
    if (rest === undefined) return;
    const length = file.isFifo ? wholeLines(rest) : rest.length;
    write(file.descriptor, rest, 0, length, null, (error, written) => {
      if (error !== null) this.failed(file, error);
      else if (written < rest.length) {
        this.torn = rest[written - 1] !== newline;
        this.restLines -= linesIn(rest, written);
        this.rest = rest.subarray(written);
        this.writeRest(file);
      } else {
        this.torn = false;
        this.done(file);
      }
    });
  }

  private failed(file: OpenFile, error: Error): void {
    if (codeOf(error) === 'EAGAIN' && !this.closed) {
      this.clock.after(fullPause, () => this.writeRest(file));
      return;
    }
    this.lost.add(this.restLines, reasonOf(error, this.path));
    // The reader of a FIFO has left: there may be another.
    if (codeOf(error) === 'EPIPE' && !this.opening && !this.closed) this.open();
    this.done(file);
  }

  private done(file: OpenFile): void {
    this.rest = undefined;
    this.restLines = 0;
    if (this.file !== file) close(file.descriptor);
    this.onIdle();
  }
}

/** How many bytes of whole lines a FIFO takes in one piece. */
function wholeLines(bytes: Buffer): number {
  if (bytes.length <= pipeBuffer) return bytes.length;
  const end = bytes.lastIndexOf(newline, pipeBuffer - 1) + 1;
  if (end > 0) return end;
  const next = bytes.indexOf(newline) + 1;
  return next > 0 ? next : bytes.length;
}

function linesIn(bytes: Buffer, end: number): number {
  let lines = 0;
  for (let at = bytes.indexOf(newline); at >= 0 && at < end; at = bytes.indexOf(newline, at + 1)) lines++;
  return lines;
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the quota is used up (EDQUOT)',
  ENOENT: 'its folder is not there (ENOENT); make it',
  ENXIO: 'nobody reads this FIFO (ENXIO)',
  EPIPE: 'nobody reads this FIFO any more (EPIPE)',
  EACCES: 'this user may not write there (EACCES)',
  EISDIR: 'it is a folder (EISDIR); name a file in it',
};

function reasonOf(error: Error | null, path: string): string {
  const code = error === null ? '' : codeOf(error);
  return `${path}: ${remedies[code] ?? describeError(error)}`;
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
