// The bound on the start of one side of a plugin: a start that waits forever must not keep Weldr from reporting it.
import type { Logger } from 'pino';
import type { Clock } from '../time/clock.ts';

/** When the log reports what the start waits for, ms. */
const patience = 10_000;
/** When the start fails, ms. Plugins may wait for others, such as a store, with their own bounds. */
const longestStart = 120_000;
/** The longest that a plugin whose list is made at run time may take to start, ms: an operator waits for the answer. */
export const longestRunTimeStart = 20_000;

/** How to wait for a start. */
export interface StartBound {
  readonly clock: Clock;
  readonly log: Logger;
  /** When it fails, ms; default: two minutes. */
  readonly longest?: number | undefined;
}

/** Waits for the start of a plugin. Rejects with what it rejects with, or with an Error when it takes too long. */
export async function startWithin(
  { clock, log, longest = longestStart }: StartBound,
  plugin: string,
  started: void | Promise<void> | undefined,
): Promise<void> {
  if (started === undefined) return;
  const late = Promise.withResolvers<never>();
  const cancelWord = clock.after(patience, () =>
    log.warn({ plugin }, `the start has been waiting for plugin ${plugin} for ${patience / 1000} s`),
  );
  const cancel = clock.after(longest, () =>
    late.reject(new Error(`it was not done after ${longest / 1000} s`)),
  );
  try {
    await Promise.race([started, late.promise]);
  } finally {
    cancelWord();
    cancel();
  }
}
