// The log: pino's JSON lines on stdout, pretty on a terminal. Whatever happens to stdout, the process goes on.
import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Settings } from './settings.ts';

/** Bytes that may wait for a slow reader of stdout; lines over it are dropped. */
const maxWaiting = 4 * 1024 * 1024;
const stdout = 1;

/** The log of one process. */
export interface ProcessLog {
  readonly log: Logger;
  /** Writes what waits, as far as stdout takes it without waiting. Call it before `process.exit`. */
  flush(): void;
}

/**
 * Opens the log on stdout. Lines are written apart from the requests; those that stdout does not take (closed pipe,
 * full disk, a reader that is 4 MB behind) are lost, and nothing else is.
 */
export async function openLog(level: Settings['logLevel'], bindings: object = {}): Promise<ProcessLog> {
  const { stream, flush } = isatty(stdout) ? await prettyStream() : jsonStream();
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return { log: log.child(bindings), flush };
}

interface Destination {
  readonly stream: DestinationStream;
  flush(): void;
}

function jsonStream(): Destination {
  const stream = pino.destination({ dest: stdout, sync: false, minLength: 0, maxLength: maxWaiting });
  stream.on('error', () => {});
  return {
    stream,
    flush() {
      try {
        stream.flushSync();
      } catch {
        // A log that cannot be written is no reason to fail.
      }
    },
  };
}

async function prettyStream(): Promise<Destination> {
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    destination: stdout,
    sync: true,
    ignore: 'worker',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
  stream.on('error', () => {});
  return { stream, flush() {} };
}
