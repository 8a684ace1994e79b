// A logger whose lines a test can read.
import { type Logger, pino } from 'pino';

/** One line that was logged: its level's name, its message, and the fields beside it. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A pino logger at level trace that writes into `lines`. */
export function collectingLogger(lines: LogLine[]): Logger {
  const options = {
    level: 'trace',
    base: {},
    timestamp: false,
    formatters: { level: (level: string) => ({ level }) },
  };
  return pino(options, { write: (line: string) => void lines.push({ msg: '', ...JSON.parse(line) }) });
}
