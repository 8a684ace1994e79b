// FileSink: appends lines to a file, one write after another, without blocking.
import { close, constants, fstat, open, type Stats, stat, write } from 'node:fs';
import { codeOf } from '../../core/errors/error-code.ts';
import { describeError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { LineSink } from './line-buffer.ts';
import type { LostLines, LostLinesMeans } from './lost-lines.ts';

// Without O_NONBLOCK, opening a FIFO without a reader would block a thread forever; it has no effect on files.
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const mode = 0o640;
/** How often to check that the file is still at its path, and how soon to retry one that could not be opened, ms. */
const lookInterval = 1_000;
/** The most bytes of a write to a FIFO that never mix with another process's (POSIX). */
const pipeBuffer = 4096;
/** How soon to retry a full FIFO, ms. */
const fullPause = 50;
const newline = 0x0a;
const lineEnd = Buffer.from('\n');

interface OpenFile {
  readonly descriptor: number;
  readonly inode: number;
  readonly device: number;
  readonly isFifo: boolean;
}

/**
 * Appends to a file that several workers share: each write holds whole lines. Reopens the file when its path holds
 * another one or none, as after logrotate has renamed it. Retries a file that cannot be opened; until then lines
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
  /** The part that is still to be written, and how many lines it has. */
  private rest: Buffer | undefined;
  private restLines = 0;
  /** The last written line is incomplete. */
  private torn = false;
  private closed = false;

  /** Starts to open the file. */
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

  write(lines: Buffer, count: number): void {
    if (this.file === undefined) {
      this.lost.add(count, this.openFailure);
      if (!this.closed && this.clock.monotonic() - this.openedAt >= lookInterval) this.open();
      return;
    }
    this.rest = this.torn ? Buffer.concat([lineEnd, lines]) : lines;
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
    this.openFailure ||= 'the access log is closed';
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
      this.log.warn(`the access log cannot be reopened, so lines still go to the old file: ${why}`);
    }
    this.openFailure = why;
  }

  /** Switches to a file; a write in progress still ends in the old one. */
  private use(file: OpenFile): void {
    const old = this.file;
    this.file = file;
    this.openFailure = '';
    this.torn = false;
    if (old !== undefined && this.rest === undefined) close(old.descriptor);
  }

  /** Reopens the file if its path holds another one. */
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
    // The FIFO's reader has left, but another one may open it.
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

/** Returns how many bytes of whole lines a FIFO takes in one piece. */
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
  ENOENT: 'its folder does not exist (ENOENT); create it',
  ENXIO: 'this FIFO has no reader (ENXIO)',
  EPIPE: 'the reader of this FIFO has left (EPIPE)',
  EACCES: 'this user may not write there (EACCES)',
  EISDIR: 'it is a folder (EISDIR); name a file in it',
};

function reasonOf(error: Error | null, path: string): string {
  const code = error === null ? '' : codeOf(error);
  return `${path}: ${remedies[code] ?? describeError(error)}`;
}
