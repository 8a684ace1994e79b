// Follows the counts of a running Weldr, across its restarts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AdminClient, type Patience, UnreachableError } from '../admin-client.ts';
import { CommandError } from '../command-error.ts';
import { type Counts, readCounts } from './counts.ts';
import { type Look, lookAt } from './look.ts';
import { type Overview, OverviewReader } from './overview.ts';

/** Why there are no new figures, as a sentence. */
export interface Problem {
  readonly problem: string;
}

/** The longest that an answer after the first one may take, ms. */
const timeoutMs = 10_000;

/**
 * Yields a look at once and then every `intervalMs`, until `signal` aborts. Throws a CommandError when the first one fails,
 * which means a wrong address or token more often than a restart; a later failure yields a problem, and is tried again.
 */
export async function* follow(
  admin: AdminClient,
  intervalMs: number,
  signal: AbortSignal,
): AsyncGenerator<Look | Problem, void> {
  const overviews = new OverviewReader(admin);
  const read = async (patience: Patience): Promise<Readings> => {
    const [counts, overview] = await Promise.all([readCounts(admin, patience), overviews.read(patience)]);
    return { counts, overview };
  };
  const { counts, overview } = await read({ signal });
  yield { ...lookAt(counts, undefined), overview };
  let before: Counts | undefined = counts;
  while (await passes(intervalMs, signal)) {
    const now = await tryTo(() => read({ signal, timeoutMs }), admin);
    if (signal.aborted) return;
    yield 'problem' in now ? now : { ...lookAt(now.counts, before), overview: now.overview };
    // Weldr may have restarted meanwhile and have counted more than before.
    before = 'problem' in now ? undefined : now.counts;
  }
}

/** The readings for one look. */
interface Readings {
  readonly counts: Counts;
  readonly overview: Overview | undefined;
}

async function tryTo(read: () => Promise<Readings>, admin: AdminClient): Promise<Readings | Problem> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof UnreachableError) {
      return { problem: `cannot reach ${admin.origin}, trying again (${thrown.reason})` };
    }
    if (thrown instanceof CommandError) {
      return { problem: `cannot read ${admin.origin}, trying again: ${thrown.message}` };
    }
    throw thrown;
  }
}

/** Waits. Returns false if `signal` aborts before the time is over. */
async function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    throw thrown;
  }
}
