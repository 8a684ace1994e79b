// Trace: which real requests to record, and how many.
import { z } from 'zod';
import { isAuthority, isMethod } from '../grammar/request-line.ts';
import { duration } from '../options/duration.ts';
import type { Explanation } from './explanation.ts';

/** The requests that an operator wants to see. */
export const traceInput = z
  .strictObject({
    host: z
      .string()
      .max(255)
      .refine(
        text => isAuthority(text.replace(/^\*\./, '')),
        'expected a host such as "shop.example" or "*.shop.example"',
      )
      .transform(text => text.toLowerCase())
      .optional()
      .describe('Requests for this host, without its port; `*.shop.example`: for all names below it.'),
    path: z
      .string()
      .max(2_048)
      .regex(/^\//, 'expected a path such as "/api/*"')
      .optional()
      .describe('Requests for this path; `/api/*`: for all paths below it.'),
    method: z
      .string()
      .transform(method => method.toUpperCase())
      .refine(isMethod, 'expected a method such as GET')
      .optional()
      .describe('Requests with this method.'),
    status: z
      .string()
      .regex(/^[1-5](?:\d\d|[xX]{2})$/, 'expected a status such as "503" or "5xx"')
      .transform(text => text.toLowerCase())
      .optional()
      .describe('Requests with this response status: `503`, `5xx`.'),
    route: z.string().min(1).max(255).optional().describe('Requests that this route took.'),
    pool: z.string().min(1).max(255).optional().describe('Requests that ended in this pool.'),
    server: z
      .string()
      .min(1)
      .max(2_048)
      .optional()
      .describe('Requests that were sent to this server, `http://10.0.0.7:3000` or `10.0.0.7:3000`.'),
    count: z.number().int().min(1).max(100).default(5).describe('How many; then the trace ends.'),
    duration: duration()
      .refine(ms => ms >= 1_000 && ms <= 600_000, 'a trace takes 1s to 10m')
      .prefault('60s')
      .describe('For how long; then the trace ends.'),
  })
  .describe('Which real requests are traced.');

/** The parsed form of {@link traceInput}. */
export type TraceInput = z.output<typeof traceInput>;

/** A trace as workers receive it. */
export type TraceWish = TraceInput & { readonly id: number };

/** What was traced so far. */
export interface Traced {
  /** From the requested number on. */
  readonly requests: readonly Explanation[];
  /** The number to request next. */
  readonly next: number;
  /** Whether it is complete. */
  readonly over: boolean;
}

/** A reader that follows a trace. */
export interface TraceReader {
  /** The requests from this number on. */
  read(after: number): Traced;
  /** Stops following. A trace without followers or readers is kept for half a minute. */
  leave(): void;
}

/** Traces of real requests. While one runs, workers record the requests that it selects. */
export interface RequestTraces {
  /** Starts a trace and returns its number. Throws LIMIT_REACHED when there are too many. */
  start(wish: TraceInput): number;
  /**
   * Resolves with the requests from this number on, once there is one, the trace ends, or `waitMs` have passed. Rejects
   * with NOT_FOUND.
   */
  read(id: number, after: number, waitMs: number): Promise<Traced>;
  /**
   * Follows a trace: calls `news` when another request is recorded or the trace ends. Returns undefined when there is
   * no such trace.
   */
  follow(id: number, news: () => void): TraceReader | undefined;
  /** Ends a trace; returns false when there is none. */
  end(id: number): boolean;
}
