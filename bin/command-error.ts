// What ends a command: a message for people, an exit code for scripts.
import { exitCodes } from '../core/process/exit-codes.ts';

/** Is printed after `weldr: ` and ends the command with its exit code. */
export class CommandError extends Error {
  readonly exitCode: number;

  /** `exitCode`: 1 unless said otherwise. */
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line itself was wrong. */
export function usageError(message: string): CommandError {
  return new CommandError(`${message}\nweldr --help lists the commands`, exitCodes.usage);
}
