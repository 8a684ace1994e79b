// `weldr trace`: what becomes of real requests, and what each plugin says of them.
import { z } from 'zod';
import type { AdminClient } from '../admin-client.ts';
import { usageError } from '../command-error.ts';
import { explanation, explanationText } from './explanation-text.ts';
import { understood } from './servers.ts';

const started = z.looseObject({ id: z.number() });
const traced = z.looseObject({ requests: z.array(z.unknown()), next: z.number(), over: z.boolean() });

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
  try {
    for (let after = 0; ; ) {
      const path = `/traces/${id}?wait&after=${after}`;
      const { requests, next, over } = understood(traced, await admin.call({ method: 'GET', path }));
      for (const one of requests) {
        print(json ? JSON.stringify(one) : `${explanationText(understood(explanation, one))}\n`);
      }
      after = next;
      if (over) return after;
    }
  } finally {
    // It ends by itself as well.
    await admin.call({ method: 'DELETE', path: `/traces/${id}` }).catch(() => {});
  }
}
