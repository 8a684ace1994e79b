// Command error: ends a command with a message for people and an exit code for scripts.
import { exitCodes } from '../core/process/exit-codes.ts';

/** An error that is printed after `weldr: ` and ends the command with its exit code. */
export class CommandError extends Error {
  readonly exitCode: number;

  /** `exitCode`: default 1. */
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Returns the error for a wrong command line. */
export function usageError(message: string): CommandError {
  return new CommandError(`${message}\nweldr --help lists the commands`, exitCodes.usage);
}
