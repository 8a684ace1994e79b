// The log: pino's JSON lines on stdout or in a file, pretty-printed on a terminal.
import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';
import { describeError, WeldrError } from '../errors.ts';
import type { Settings } from '../settings/settings.ts';
import { systemClock } from '../time/clock.ts';
import { CountedOutput } from './counted-output.ts';
import { type LogOutput, openLogFile, openLogOutput } from './log-output.ts';
import { withoutMarks } from './reading-mark.ts';

/** The log of one process. */
export interface ProcessLog {
  readonly log: Logger;
  /** Writes whole lines unchanged, such as those that another process logged. Returns false if they are lost. */
  forward(lines: string): boolean;
  /** Waits until all lines are written, for half a second at most. Call it before `process.exit`. */
  flush(): Promise<void>;
  /** Opens a log file again, for logrotate; does nothing for stdout. Logs a failure. */
  reopen(): void;
  /** Lines that were dropped because they could not be written fast enough. */
  readonly dropped: number;
}

/** How a log is opened. */
export interface LogOptions {
  readonly level: Settings['logLevel'];
  /** A file to append to, in place of stdout. */
  readonly file?: string | undefined;
  /** Fields of each line. */
  readonly bindings?: object;
}

/**
 * Opens the log. Requests never wait for it: lines that stdout or the file does not take (closed pipe, full disk, a reader
 * that is 4 MB behind) are lost. Throws CONFIG_INVALID when the file cannot be opened.
 */
export async function openLog({ level, file, bindings = {} }: LogOptions): Promise<ProcessLog> {
  const output = file === undefined ? openLogOutput() : openFile(file);
  const pretty = file === undefined && isatty(1) ? await prettifier() : undefined;
  const counted = new CountedOutput(output, {
    clock: systemClock,
    tell: lost =>
      log.warn(
        { dropped: lost },
        `${lost} lines of the log were dropped: they could not be read or written fast enough`,
      ),
  });
  const write = (lines: string): boolean => {
    const shown = withoutMarks(lines);
    return counted.write(pretty === undefined ? shown : eachLine(shown, pretty));
  };
  const destination = { write: (line: string) => void write(line) };
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const reopen = (): void => {
    try {
      output.reopen();
    } catch (thrown) {
      log.error(
        { err: thrown },
        `${file} cannot be reopened, so lines still go to the old file: ${describeError(thrown)}`,
      );
    }
  };
  return {
    log: log.child(bindings),
    forward: write,
    flush: () => output.flush(),
    reopen,
    get dropped() {
      return counted.dropped;
    },
  };
}

function openFile(path: string): LogOutput {
  try {
    return openLogFile(path);
  } catch (thrown) {
    const why = `the log file ${path} cannot be opened: ${describeError(thrown)}; make its folder, let this user write there, or change log.file`;
    throw new WeldrError('CONFIG_INVALID', why, { cause: thrown, field: 'log.file' });
  }
}

function eachLine(lines: string, show: (line: string) => string): string {
  return lines
    .split(/(?<=\n)/)
    .map(show)
    .join('');
}

async function prettifier(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty');
  return prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', singleLine: true });
}
