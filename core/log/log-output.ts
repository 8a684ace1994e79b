// Where log lines go: stdout or a file, without ever waiting for it. At exit, pino's own destination (sonic-boom) waits
// forever for a full disk or a reader that does not read.
import { close, fstatSync, openSync, write } from 'node:fs';
import { describeError } from '../errors.ts';

/** Bytes that may wait to be written; further lines are dropped. */
const maxWaiting = 4 * 1024 * 1024;
/** The longest that an ending process waits for its last lines, ms. */
const flushTimeout = 500;
const stdout = 1;

/** Takes lines. Those that it does not take are lost, without other effects. */
export interface LogOutput {
  /** False: they are lost. */
  write(lines: string): boolean;
  /** Resolves once everything is written, after half a second at the latest. */
  flush(): Promise<void>;
  /**
   * Opens the file at its path again, for example after it was renamed. Throws if that fails; the old file then stays
   * open.
   */
  reopen(): void;
}

/** The output for stdout, whether it is a file or a pipe. */
export function openLogOutput(): LogOutput {
  return readsByItself() ? new FileOutput(stdout) : new StreamOutput();
}

/** The output for the file at `path`, which is appended to. Throws when it cannot be opened. */
export function openLogFile(path: string): LogOutput {
  return new FileOutput(openFile(path), path);
}

function openFile(path: string): number {
  return openSync(path, 'a', 0o640);
}

function readsByItself(): boolean {
  try {
    const kind = fstatSync(stdout);
    return kind.isFile() || kind.isCharacterDevice();
  } catch {
    // Closed: writes fail and their lines are lost.
    return true;
  }
}

/** Pipes, sockets: Node writes to them without blocking, and buffers what they do not take yet. */
class StreamOutput implements LogOutput {
  private readonly stream = process.stdout;
  private broken = false;

  constructor() {
    this.stream.on('error', () => {
      this.broken = true;
    });
  }

  write(lines: string): boolean {
    if (this.broken || this.stream.writableLength >= maxWaiting) return false;
    this.stream.write(lines);
    return true;
  }

  async flush(): Promise<void> {
    if (this.broken || this.stream.writableLength === 0) return;
    await atMost(flushTimeout, done => this.stream.write('', () => done()));
  }

  reopen(): void {}
}

/** Files, devices, terminals: written in the thread pool, one chunk at a time. */
class FileOutput implements LogOutput {
  private descriptor: number;
  /** The path of a file that Weldr opened. */
  private readonly path: string | undefined;
  private waiting: string[] = [];
  private waitingLength = 0;
  private writing = false;
  /** Whether lines are being lost. If so, this was reported. */
  private losing = false;
  /** Whether the last line was written only in part. */
  private torn = false;
  private readonly idle: (() => void)[] = [];

  constructor(descriptor: number, path?: string) {
    this.descriptor = descriptor;
    this.path = path;
  }

  write(lines: string): boolean {
    if (this.waitingLength >= maxWaiting) return false;
    this.waiting.push(lines);
    this.waitingLength += lines.length;
    if (!this.writing) this.writeWaiting();
    return true;
  }

  async flush(): Promise<void> {
    if (this.writing) await atMost(flushTimeout, done => this.idle.push(done));
  }

  reopen(): void {
    if (this.path === undefined) return;
    const old = this.descriptor;
    this.descriptor = openFile(this.path);
    // A write that is under way still goes to the old one.
    if (this.writing) this.idle.push(() => close(old));
    else close(old);
  }

  private writeWaiting(): void {
    const text = this.waiting.join('');
    this.waiting = [];
    this.waitingLength = 0;
    this.writing = text !== '';
    const start = this.torn ? '\n' : '';
    if (this.writing) this.writeRest(this.descriptor, Buffer.from(start + text));
    else for (const done of this.idle.splice(0)) done();
  }

  private writeRest(descriptor: number, rest: Buffer): void {
    write(descriptor, rest, (error, written) => {
      if (error === null && written < rest.length) {
        this.torn = true;
        this.writeRest(descriptor, rest.subarray(written));
        return;
      }
      if (error === null) this.torn = false;
      this.tellLoss(error);
      this.writeWaiting();
    });
  }

  /** Reports once that lines are lost; Weldr continues without them. */
  private tellLoss(error: Error | null): void {
    const losing = error !== null;
    const isNew = losing && !this.losing;
    this.losing = losing;
    if (!isNew || this.path === undefined) return;
    try {
      process.stderr.write(
        `weldr: the log cannot be written to ${this.path}: ${describeError(error)}; lines are lost until it can\n`,
      );
    } catch {
      // Its disk may be the full one.
    }
  }
}

async function atMost(ms: number, work: (done: () => void) => void): Promise<void> {
  await new Promise<void>(resolve => {
    setTimeout(resolve, ms);
    work(resolve);
  });
}
