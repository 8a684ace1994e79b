// `weldr trace`: what becomes of real requests, and what each plugin says of them.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type AdminClient, UnreachableError } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { explanation, explanationText } from './explanation-text.ts';
import { understood } from './servers.ts';

const started = z.looseObject({ id: z.number() });

/** From one try to the next to reach a Weldr that is away, ms. */
const triesEvery = 1_000;

/** Which requests, as said on the command line. */
export interface TraceFlags {
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly method: string | undefined;
  readonly status: string | undefined;
  readonly count: string | undefined;
  readonly duration: string | undefined;
}

/** Hands on requests as they come: texts for people, or a line of JSON each. Returns how many there were. */
export async function trace(
  admin: AdminClient,
  { count, ...flags }: TraceFlags,
  { json, print }: { readonly json: boolean; print(text: string): void },
): Promise<number> {
  if (count !== undefined && !/^[1-9]\d{0,2}$/.test(count)) {
    throw usageError(`--count: expected a number from 1 to 100, got ${count}`);
  }
  const body = { ...flags, count: count === undefined ? undefined : Number(count) };
  const { id } = understood(started, await admin.call({ method: 'POST', path: '/traces', body }));
  const stop = new AbortController();
  process.stdout.once('error', () => stop.abort());
  let seen = 0;
  try {
    for await (const request of requestsOf(admin, id, stop.signal)) {
      seen++;
      print(json ? JSON.stringify(request) : `${explanationText(understood(explanation, request))}\n`);
    }
    return seen;
  } finally {
    // It ends by itself as well.
    await admin.call({ method: 'DELETE', path: `/traces/${id}` }).catch(() => {});
  }
}

/** The requests of a trace until it is over, over a reload and lost connections. */
async function* requestsOf(
  admin: AdminClient,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<unknown, void> {
  const { stderr: errors } = process;
  let lastEventId: string | undefined;
  let isAway = false;
  while (!signal.aborted) {
    try {
      const messages = admin.follow(`/traces/${id}`, { lastEventId, signal });
      for await (const { id: place, event, data } of messages) {
        lastEventId = place ?? lastEventId;
        if (isAway) errors.write(`weldr: ${admin.origin} answers again\n`);
        isAway = false;
        if (event === 'over') return;
        if (event === 'message') yield JSON.parse(data);
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
