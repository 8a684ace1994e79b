// Early exit: reports when code that is not Weldr's ends this process, or waits forever, before its work is done.
import { basename } from 'node:path';
import { thrownAt } from '../errors/thrown-at.ts';
import type { exitCodes } from './exit-codes.ts';

/** The message for code that waits forever. */
export const neverEnds = 'it awaits something that never comes';

/**
 * Returns what `work` returns. Rejects with an Error when nothing is left in this process that could fulfil it. When the user's
 * code calls `process.exit` meanwhile, stderr gets the place of the call, and the exit code is `exitCode`.
 */
export async function guardExit<T>(
  exitCode: (typeof exitCodes)['config' | 'failed'],
  work: () => Promise<T>,
): Promise<T> {
  const stuck = Promise.withResolvers<never>();
  const onIdle = (): void => stuck.reject(new Error(neverEnds));
  const onExit = (code: number): void => {
    // The stack names the caller of process.exit.
    const place = thrownAt(new Error());
    if (place === undefined) return;
    const { file, line, column } = place;
    const what = `process.exit(${code}) ends Weldr; throw an Error to refuse to start`;
    process.stderr.write(`weldr: ${basename(file)}:${line}:${column}: ${what}\n`);
    process.exitCode = exitCode;
  };
  process.once('beforeExit', onIdle);
  process.once('exit', onExit);
  try {
    return await Promise.race([work(), stuck.promise]);
  } finally {
    process.off('beforeExit', onIdle);
    process.off('exit', onExit);
  }
}
