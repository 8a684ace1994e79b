// What happens to a process whose code failed where nobody can answer for it: a line in the log, then its end.
import type { ProcessLog } from '../log.ts';
import { exitCodes } from './exit-codes.ts';

/**
 * Ends the process with exit code 1 on an uncaught exception or an unhandled rejection: its state cannot be trusted.
 * `log` answers the log if it is open.
 */
export function exitOnDefect(log: () => ProcessLog | undefined): void {
  const die = (thrown: unknown, origin: string): void => {
    const open = log();
    if (open === undefined) console.error(`${origin}:`, thrown);
    else open.log.fatal({ err: thrown }, `${origin}: a defect in Weldr or a plugin`);
    open?.flush();
    process.exit(exitCodes.failed);
  };
  process.on('uncaughtException', (error, origin) => die(error, origin));
}
