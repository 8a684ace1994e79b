// Reading end: sees to it that the reading of a config ends, with a sentence, whatever the config's own code does.
import { WeldrError } from '../core/errors.ts';
import { guardExit, neverEnds } from '../core/process/early-exit.ts';
import { exitCodes } from '../core/process/exit-codes.ts';

/** A config may ask others, such as a vault, before it knows itself, ms. */
const readingTimeout = 60_000;

/**
 * What comes of the reading of a config. Rejects with CONFIG_INVALID when that takes a minute, or can never end; when it
 * ends the process instead, stderr says so.
 */
export async function whileReading<T>(reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new WeldrError('CONFIG_INVALID', `it is not read after ${readingTimeout / 1000} s: ${neverEnds}`),
    );
  }, readingTimeout).unref();
  try {
    return await guardExit(exitCodes.config, () => Promise.race([reading, late.promise]));
  } finally {
    clearTimeout(timer);
  }
}
