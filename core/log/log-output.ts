// Where log lines go: stdout, without ever waiting for it. pino's own destination (sonic-boom) waits for ever, at
// the exit, for a disk that is full or a reader that does not read.
import { fstatSync, write } from 'node:fs';

/** Bytes that may wait to be written; lines over it are dropped. */
const maxWaiting = 4 * 1024 * 1024;
/** The longest that an ending process waits for its last lines, ms. */
const flushTimeout = 500;
const stdout = 1;

/** Takes lines; those that stdout does not take are lost, and nothing else is. */
export interface LogOutput {
  write(line: string): void;
  /** Resolves when all is written, after half a second at the latest. */
  flush(): Promise<void>;
}

/** The output for what stdout is: a file, or something with a reader. */
export function openLogOutput(): LogOutput {
  return readsByItself() ? new FileOutput() : new StreamOutput();
}

function readsByItself(): boolean {
  try {
    const kind = fstatSync(stdout);
    return kind.isFile() || kind.isCharacterDevice();
  } catch {
    // Closed: what is written fails, and is lost.
    return true;
  }
}

/** Pipes, sockets: Node writes to them without waiting, and keeps what they do not take yet. */
class StreamOutput implements LogOutput {
  private readonly stream = process.stdout;
  private broken = false;

  constructor() {
    this.stream.on('error', () => {
      this.broken = true;
    });
  }

  write(line: string): void {
    if (!this.broken && this.stream.writableLength < maxWaiting) this.stream.write(line);
  }

  async flush(): Promise<void> {
    if (this.broken || this.stream.writableLength === 0) return;
    await atMost(flushTimeout, done => this.stream.write('', () => done()));
  }
}

/** Files, devices, terminals: written in the thread pool, one chunk after another. */
class FileOutput implements LogOutput {
  private waiting: string[] = [];
  private waitingLength = 0;
  private writing = false;
  private readonly idle: (() => void)[] = [];

  write(line: string): void {
    if (this.waitingLength >= maxWaiting) return;
    this.waiting.push(line);
    this.waitingLength += line.length;
    if (!this.writing) this.writeWaiting();
  }

  async flush(): Promise<void> {
    if (this.writing) await atMost(flushTimeout, done => this.idle.push(done));
  }

  private writeWaiting(): void {
    const text = this.waiting.join('');
    this.waiting = [];
    this.waitingLength = 0;
    this.writing = text !== '';
    if (this.writing) this.writeRest(Buffer.from(text));
    else for (const done of this.idle.splice(0)) done();
  }

  private writeRest(rest: Buffer): void {
    write(stdout, rest, (error, written) => {
      if (error === null && written < rest.length) this.writeRest(rest.subarray(written));
      else this.writeWaiting();
    });
  }
}

async function atMost(ms: number, work: (done: () => void) => void): Promise<void> {
  await new Promise<void>(resolve => {
    setTimeout(resolve, ms);
    work(resolve);
  });
}
