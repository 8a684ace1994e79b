// Trace: which real requests are to be told of, and how many.
import { z } from 'zod';
import { isAuthority, isMethod } from '../request/request-line.ts';
import { duration } from '../settings/duration.ts';
import type { Explanation } from './explanation.ts';

/** What an operator wants to see. */
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
      .describe('Requests for this host, without its port; `*.shop.example`: for all below it.'),
    path: z
      .string()
      .max(2_048)
      .regex(/^\//, 'expected a path such as "/api/*"')
      .optional()
      .describe('Requests for this path; `/api/*`: for all that begin with it.'),
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
      .describe('Requests that were answered so: `503`, `5xx`.'),
    route: z.string().min(1).max(255).optional().describe('Requests that this route took.'),
    pool: z.string().min(1).max(255).optional().describe('Requests that came to this pool in the end.'),
    server: z
      .string()
      .min(1)
      .max(2_048)
      .optional()
      .describe('Requests that were sent to this server, `http://10.0.0.7:3000` or `10.0.0.7:3000`.'),
    count: z.number().int().min(1).max(100).default(5).describe('How many; then it is over.'),
    duration: duration()
      .refine(ms => ms >= 1_000 && ms <= 600_000, 'a trace takes 1s to 10m')
      .prefault('60s')
      .describe('For how long; then it is over.'),
  })
  .describe('Which real requests are traced.');

/** What {@link traceInput} makes of it. */
export type TraceInput = z.output<typeof traceInput>;

/** A trace as workers know it. */
export type TraceWish = TraceInput & { readonly id: number };

/** What was traced so far. */
export interface Traced {
  /** From the number that was asked for on. */
  readonly requests: readonly Explanation[];
  /** The number to ask for next. */
  readonly next: number;
  /** Does nothing more come? */
  readonly over: boolean;
}

/** Who follows a trace. */
export interface TraceReader {
  /** What there is from this number on. */
  read(after: number): Traced;
  /** Follows it no more. A trace that nobody follows or reads is kept for half a minute. */
  leave(): void;
}

/** Traces of real requests. While there is one, workers write down what becomes of those that it is about. */
export interface RequestTraces {
  /** Begins one, and returns its number. Throws LIMIT_REACHED where there are too many. */
  start(wish: TraceInput): number;
  /** Resolves with the requests from this number on, when there is one, or it is over, or `waitMs` have passed. Rejects with NOT_FOUND. */
  read(id: number, after: number, waitMs: number): Promise<Traced>;
  /** Follows one: `news` is called when there is another request, or it is over. Undefined: there is no such trace. */
  follow(id: number, news: () => void): TraceReader | undefined;
  /** Ends one; false: there is none. */
  end(id: number): boolean;
}
