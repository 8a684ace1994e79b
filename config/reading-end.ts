// Reading end: makes the reading of a config end with a message, whatever the config's own code does.
import { WeldrError } from '../core/errors.ts';
import { guardExit, neverEnds } from '../core/process/early-exit.ts';
import { exitCodes } from '../core/process/exit-codes.ts';

/** Long enough for a config that fetches values, such as from a vault; ms. */
const readingTimeout = 60_000;

/**
 * Resolves with the result of reading a config. Rejects with CONFIG_INVALID when it takes a minute or can never end. If the
 * config ends the process instead, a message goes to stderr.
 */
export async function whileReading<T>(reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new WeldrError('CONFIG_INVALID', `it was not read within ${readingTimeout / 1000} s: ${neverEnds}`),
    );
  }, readingTimeout).unref();
  try {
    return await guardExit(exitCodes.config, () => Promise.race([reading, late.promise]));
  } finally {
    clearTimeout(timer);
  }
}
