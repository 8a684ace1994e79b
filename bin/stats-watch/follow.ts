// Follows the counts of a running Weldr, over its restarts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AdminClient, type Patience, UnreachableError } from '../admin-client.ts';
import { CommandError } from '../command-error.ts';
import { type Counts, readCounts } from './counts.ts';
import { type Look, lookAt } from './look.ts';
import { type Overview, OverviewReader } from './overview.ts';

/** Why there is nothing new to see, for people. */
export interface Problem {
  readonly problem: string;
}

/** The longest that an answer may take once there was a first one, ms. */
const timeoutMs = 10_000;

/**
 * Looks at once and then after each `intervalMs`, until `signal` aborts. Throws a CommandError when the first look fails,
 * which is a wrong address or token more often than a restart; a later one that fails is a problem, and tried again.
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
    // Weldr may have restarted meanwhile and counted more than before.
    before = 'problem' in now ? undefined : now.counts;
  }
}

/** All that is read for one look. */
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

/** False when `signal` aborts before the time is over. */
async function passes(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch (thrown) {
    if (signal.aborted) return false;
    throw thrown;
  }
}
