// Overview: the answer of `GET /overview`: current traffic, its last 15 minutes, and the problems.
import { z } from 'zod';
import type { AdminClient, Patience } from '../admin-client.ts';

const figures = z.looseObject({
  rate: z.number(),
  errorShare: z.number(),
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
});

const values = z.array(z.number().nullable()).max(10_000);

const overview = z.looseObject({
  at: z.number(),
  status: z.string(),
  problems: z.array(z.looseObject({ severity: z.string(), text: z.string() })),
  traffic: figures.nullable(),
  history: z
    .looseObject({
      step: z.number(),
      at: z.array(z.number()).max(10_000),
      rate: values,
      errorShare: values,
      p50: values,
      p95: values,
      p99: values,
    })
    .nullish(),
});

/** A parsed overview; `traffic` and `history` are null without the plugin stats. */
export type Overview = z.output<typeof overview>;
/** The measurements of the last 15 minutes, a list for each value. */
export type History = NonNullable<Overview['history']>;

/** How often Weldr makes a new overview, ms. */
const freshFor = 2_000;

/** Reads the overviews of one Weldr, no more often than it makes them. */
export class OverviewReader {
  private readonly admin: AdminClient;
  private last: Overview | undefined;
  private readAt = Number.NEGATIVE_INFINITY;

  constructor(admin: AdminClient) {
    this.admin = admin;
  }

  /** Returns undefined if this Weldr has none, or another version's. Throws as `AdminClient.find` does. */
  async read(patience: Patience): Promise<Overview | undefined> {
    const now = performance.now();
    if (now - this.readAt < freshFor) return this.last;
    // If this fails, the one read before is out of date.
    this.last = undefined;
    this.last = overview.safeParse(await this.admin.find('/overview', patience)).data;
    this.readAt = now;
    return this.last;
  }
}
