// Counts: the admin API's counts of clients and servers at one moment.
import { z } from 'zod';
import type { AdminClient, Patience } from '../admin-client.ts';
import { understood } from '../commands/servers.ts';

const outcomes = z.looseObject({ success: z.number(), failed: z.number() });

/** The answer of `GET /stats`. */
export const totals = z.looseObject({ client: outcomes, server: outcomes });

/** The answer of `GET /stats/detail`: the fields that all versions have. */
export const details = z.array(
  z.looseObject({
    id: z.string(),
    pool: z.string().default('default'),
    state: z.string().optional(),
    reason: z.string().optional(),
    success: z.number(),
    failed: z.number(),
    inFlight: z.number().optional(),
    latency: z
      .looseObject({
        p99: z.number().nullish(),
        count: z.number().optional(),
        sum: z.number().optional(),
      })
      .optional(),
  }),
);

/** Requests or attempts since the start of Weldr, by outcome. */
export type Outcomes = z.output<typeof outcomes>;
/** The counts of one server. */
export type ServerCounts = z.output<typeof details>[number];

/** All counts at one moment. */
export interface Counts {
  /** The moment, in ms of a monotonic clock. */
  readonly atMs: number;
  readonly client: Outcomes;
  readonly server: Outcomes;
  readonly servers: readonly ServerCounts[];
}

/** Reads the counts from the admin API. Throws as `AdminClient.call` does. */
export async function readCounts(admin: AdminClient, patience: Patience = {}): Promise<Counts> {
  const [total, detail] = await Promise.all(
    ['/stats', '/stats/detail'].map(path => admin.call({ method: 'GET', path, ...patience })),
  );
  const { client, server } = understood(totals, total);
  return { atMs: performance.now(), client, server, servers: understood(details, detail) };
}
