// Shares: what the two sides of a rate limit say to each other, and the limit that both count by.

/** A limit: a bucket that holds up to `burst` tokens and gets `perMs` of them each ms; a request takes one. */
export interface Limit {
  readonly perMs: number;
  readonly burst: number;
}

/** How long an empty bucket takes to be full, ms. */
export const refillTime = ({ perMs, burst }: Limit): number => burst / perMs;

/** To the manager: a worker has started, or what it let through and turned away since its last report, by key. */
export type ToManager =
  | { readonly hello: true }
  | { readonly report: number; readonly spent: readonly Spent[] };

/** What a worker let through and turned away; `answer`: 1 where it was asked for one, and has heard what it was told. */
export type Spent = readonly [key: string, passed: number, refused: number, answer: 0 | 1];

/** To a worker: how many of them share each bucket, or its shares of some, as of its report `seen`. */
export type ToWorker =
  | { readonly workers: number }
  | { readonly seen: number; readonly shares: readonly Share[] };

/**
 * What a worker has of a bucket: tokens, fewer than none after too many, and the fraction of new ones that it gets. `answer`:
 * is it to say that it has heard?
 */
export type Share = readonly [key: string, tokens: number, fraction: number, answer: 0 | 1];

/** Keys in one message: a thousand are told in less than 1 ms. */
export const mostAtOnce = 1_000;
