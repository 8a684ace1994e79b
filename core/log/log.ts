// The log: pino's JSON lines on stdout, pretty on a terminal.
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import type { Settings } from '../settings/settings.ts';
import { openLogOutput } from './log-output.ts';

/** The log of one process. */
export interface ProcessLog {
  readonly log: Logger;
  /** Writes a line that another process logged. */
  forward(line: string): void;
  /** Waits until what was logged is written, for half a second at most. Call it before `process.exit`. */
  flush(): Promise<void>;
}

/**
 * Opens the log on stdout; `bindings` are fields of each line. Requests never wait for it: what stdout does not take
 * (closed pipe, full disk, a reader that is 4 MB behind) is lost, and nothing else is.
 */
export async function openLog(level: Settings['logLevel'], bindings: object = {}): Promise<ProcessLog> {
  const output = openLogOutput();
  const pretty = isatty(1) ? await prettifier() : undefined;
  const write = (line: string): void => output.write(pretty === undefined ? line : pretty(line));
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return { log: log.child(bindings), forward: write, flush: () => output.flush() };
}

async function prettifier(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty');
  return prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
}
