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

/** Returns the error for a wrong command line; `words`: the command that was meant, if that is known. */
export function usageError(message: string, words?: string): CommandError {
  const help =
    words === undefined ? 'weldr --help lists the commands' : `weldr ${words} --help lists its flags`;
  return new CommandError(`${message}\n${help}`, exitCodes.usage);
}
