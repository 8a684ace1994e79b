// Retry: what the judge stage returns to have a request tried again.

import { isOfOtherCopy, isOtherCopy, markCopy } from '../package/copy-mark.ts';

/** A wish for another attempt; make it with {@link retry}. */
export class Retry {
  /** The name of the pool to choose from; undefined: the request's. */
  readonly pool: string | undefined;
  readonly #made = true;

  /** By what only its constructor gives: the core relies on it, whatever a plugin made to look like one. */
  static [Symbol.hasInstance](value: unknown): value is Retry {
    return typeof value === 'object' && value !== null && #made in value;
  }

  constructor(pool: string | undefined) {
    if (pool !== undefined && typeof pool !== 'string')
      throw new TypeError(`retry takes the name of a pool, got a value of type ${typeof pool}`);
    this.pool = pool;
    Object.freeze(this);
  }
}

/**
 * What a tap of `judge` returns to have the request tried again: `retry` itself, or `retry({ pool })` to choose from
 * another pool. Weldr ignores it when the request cannot be sent again and after the tenth attempt.
 *
 * @example hooks.judge.tap('spill', ctx => (ctx.attempt?.status === 503 ? retry({ pool: 'spare' }) : undefined))
 */
export function retry(options: { readonly pool?: string } = {}): Retry {
  return new Retry(options.pool);
}

markCopy('Retry', Retry.prototype);
markCopy('retry', retry);

/** @internal The wish that another copy of Weldr made, as one of this copy; undefined for anything else. */
export function adoptRetry(value: unknown): Retry | typeof retry | undefined {
  if (typeof value === 'function') return isOtherCopy('retry', retry, value) ? retry : undefined;
  if (!isOfOtherCopy('Retry', Retry.prototype, value)) return undefined;
  const { pool }: { pool?: unknown } = value;
  return pool === undefined || typeof pool === 'string' ? new Retry(pool) : undefined;
}
