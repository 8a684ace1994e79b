// `weldr trace`: shows how real requests are handled, and what each plugin does with them.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { resumedMessages } from '../resumed-messages.ts';
import { explanation, explanationText } from './explanation-text.ts';
import { understood } from './servers.ts';

const started = z.looseObject({ id: z.number() });

/** The wanted requests, as flags describe them. */
export interface TraceFlags {
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly method: string | undefined;
  readonly status: string | undefined;
  readonly route: string | undefined;
  readonly pool: string | undefined;
  readonly server: string | undefined;
  readonly count: string | undefined;
  readonly duration: string | undefined;
}

/** Prints requests as they come: as text, or as a line of JSON each. Returns how many there were. */
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
    // A trace also ends on its own.
    await admin.call({ method: 'DELETE', path: `/traces/${id}` }).catch(() => {});
  }
}

/** Yields the requests of a trace until it ends, across reloads and lost connections. */
async function* requestsOf(
  admin: AdminClient,
  id: number,
  signal: AbortSignal,
): AsyncGenerator<unknown, void> {
  for await (const { event, data } of resumedMessages(admin, `/traces/${id}`, signal)) {
    if (event === 'over') return;
    if (event === 'message') yield JSON.parse(data);
  }
}
