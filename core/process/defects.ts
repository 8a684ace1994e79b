// What an uncaught error does to a process: a line in the log, then its end.

import { thrownAt } from '../errors/thrown-at.ts';
import { describeError } from '../errors.ts';
import type { ProcessLog } from '../log/log.ts';
import { exitCodes } from './exit-codes.ts';

/**
 * Ends the process with exit code 1 on an uncaught exception or an unhandled rejection: its state cannot be trusted.
 * `log` returns the log if it is open.
 */
export function exitOnDefect(log: () => ProcessLog | undefined): void {
  let dying = false;
  process.on('uncaughtException', (thrown, origin) => {
    if (dying) return;
    dying = true;
    const open = log();
    if (open === undefined) {
      tell(thrown, origin);
      process.exit(exitCodes.failed);
    }
    open.log.fatal({ err: thrown }, `${origin}: a defect in Weldr or a plugin`);
    void open.flush().then(() => process.exit(exitCodes.failed));
  });
}

/** For the user's code the place is enough; a defect of Weldr itself needs its stack. */
function tell(thrown: unknown, origin: string): void {
  const place = thrownAt(thrown);
  if (place === undefined) console.error(`${origin}:`, thrown);
  else {
    const { file, line, column } = place;
    console.error(`weldr: ${file}:${line}:${column}: uncaught error: ${describeError(thrown)}`);
  }
}
