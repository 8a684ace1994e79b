// Command: one command of the command line, and what commands share.
import { exitCodes } from '../../core/process/exit-codes.ts';
import { AdminClient, defaultAdminUrl } from '../admin-client.ts';
import type { FlagName, GivenFlags } from './flags.ts';

/** One command: its usage and its action. */
export interface Command {
  /** Its words, then `<needed>` and `[optional]` arguments. */
  readonly usage: string;
  readonly text: string;
  readonly flags: readonly FlagName[];
  /** The help of flags that mean something else for this command. */
  readonly flagTexts?: Partial<Readonly<Record<FlagName, string>>>;
  /** Does its work. Resolves with the exit code, or undefined while the process continues. */
  run(args: readonly (string | undefined)[], flags: GivenFlags): Promise<number | undefined>;
}

/** Returns the words of a command without its arguments. */
export function wordsOf({ usage }: Command): string {
  return usage.replace(/ [<[].*$/, '');
}

/** Returns the arguments of a command as its usage names them: those with `<` are needed. */
export function argumentsOf({ usage }: Command): readonly string[] {
  return usage.split(' ').filter(part => /^[<[]/.test(part));
}

/** Returns the pool that the flags name. */
export function poolOf(given: GivenFlags): string {
  return given.text('pool') ?? 'default';
}

/** Returns a client for the admin API that flags and environment name. Throws a usage error for an invalid URL. */
export function adminOf(given: GivenFlags): AdminClient {
  const { WELDR_ADMIN: url, WELDR_ADMIN_TOKEN: token } = process.env;
  const { WELDR_ADMIN_CA: ca, WELDR_ADMIN_CERT: cert, WELDR_ADMIN_KEY: key } = process.env;
  const isFromEnvironment = given.text('admin-cert') === undefined && given.text('admin-key') === undefined;
  return new AdminClient(given.text('admin-url') ?? (url || defaultAdminUrl), token || undefined, {
    ca: given.text('admin-ca') ?? (ca || undefined),
    // A certificate from one place does not belong to a key from the other.
    cert: isFromEnvironment ? cert || undefined : given.text('admin-cert'),
    key: isFromEnvironment ? key || undefined : given.text('admin-key'),
  });
}

/** Prints a line to stdout. Returns the exit code for success. */
export function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return exitCodes.ok;
}
