// Shares: the messages between the two sides of a rate limit, and the limit itself.

/** A limit: a bucket of up to `burst` tokens that gains `perMs` tokens each ms; a request takes one. */
export interface Limit {
  readonly perMs: number;
  readonly burst: number;
}

/** How long an empty bucket takes to fill, ms. */
export const refillTime = ({ perMs, burst }: Limit): number => burst / perMs;

/** To the manager: a worker has started, or reports what it admitted and refused since its last report, by key. */
export type ToManager =
  | { readonly hello: true }
  | { readonly report: number; readonly spent: readonly Spent[] };

/** The numbers of requests that a worker admitted and refused; `answer`: 1 if it confirms a share, as requested. */
export type Spent = readonly [key: string, passed: number, refused: number, answer: 0 | 1];

/** To a worker: how many workers share each bucket, or its shares of some buckets as of its report `seen`. */
export type ToWorker =
  | { readonly workers: number }
  | { readonly seen: number; readonly shares: readonly Share[] };

/**
 * A worker's share of a bucket: tokens, negative after too many requests, and its fraction of new ones. `answer`: 1 if the
 * worker must confirm it.
 */
export type Share = readonly [key: string, tokens: number, fraction: number, answer: 0 | 1];

/** Keys in one message: a thousand take less than 1 ms. */
export const mostAtOnce = 1_000;
