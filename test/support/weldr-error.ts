// The errors of Weldr that a test expects; everything else that is thrown fails the test.
import { WeldrError } from '../../core/errors.ts';

/** Returns the error that `call` throws. */
export function errorOf(call: () => unknown): WeldrError {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof WeldrError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

/** Returns the message of the CONFIG_INVALID that `call` throws. */
export function configErrorOf(call: () => unknown): string {
  const error = errorOf(call);
  if (error.code !== 'CONFIG_INVALID') throw error;
  return error.message;
}

/** Returns the error that `work` rejects with. */
export async function rejectionOf(work: Promise<unknown>): Promise<WeldrError> {
  try {
    await work;
  } catch (thrown) {
    if (thrown instanceof WeldrError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}
