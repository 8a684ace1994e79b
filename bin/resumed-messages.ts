// Resumed messages: follows a stream of events across restarts of Weldr and lost connections.
import { setTimeout as sleep } from 'node:timers/promises';
import { type AdminClient, UnreachableError } from './admin-client.ts';
import type { ReadMessage } from './stream-reading.ts';

/** The pause between attempts to reach a Weldr that is away, ms. */
const triesEvery = 1_000;

/**
 * Follows `path` until `signal` aborts, and resumes after the last message. Reports on stderr when Weldr is away and when
 * it answers again. Throws a CommandError if the first attempt fails, or if Weldr refuses.
 */
export async function* resumedMessages(
  admin: AdminClient,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void> {
  const { stderr: errors } = process;
  let lastEventId: string | undefined;
  let isAway = false;
  while (!signal.aborted) {
    try {
      for await (const message of admin.follow(path, { lastEventId, signal })) {
        lastEventId = message.id ?? lastEventId;
        if (isAway) errors.write(`weldr: ${admin.origin} answers again\n`);
        isAway = false;
        yield message;
      }
    } catch (thrown) {
      if (signal.aborted) return;
      if (!(thrown instanceof UnreachableError) || lastEventId === undefined) throw thrown;
      if (!isAway) errors.write(`weldr: cannot reach ${admin.origin}, trying again (${thrown.reason})\n`);
      isAway = true;
    }
    await sleep(triesEvery, undefined, { signal }).catch(() => {});
  }
}
