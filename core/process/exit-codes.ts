// The exit codes of Weldr's processes.
import { WeldrError } from '../errors.ts';

/** The exit codes of `weldr` and its processes; the last two are those of sysexits(3). */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 69,
  config: 78,
} as const;

/** The exit code that an error ends a process with. */
export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof WeldrError && thrown.code === 'CONFIG_INVALID'
    ? exitCodes.config
    : exitCodes.failed;
}
