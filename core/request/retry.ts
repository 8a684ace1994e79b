// Retry: the result of the judge stage that asks for another attempt.

import { isOfOtherCopy, isOtherCopy, markCopy } from '../package/copy-mark.ts';

/** A request for another attempt; make it with {@link retry}. */
export class Retry {
  /** The name of the pool to choose from; undefined: the request's. */
  readonly pool: string | undefined;
  readonly #made = true;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
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
 * A tap of `judge` returns it to have the request tried again: `retry` itself, or `retry({ pool })` to choose from another
 * pool. Weldr ignores it when the request cannot be sent again and after the tenth attempt.
 *
 * @example hooks.judge.tap('spill', ctx => (ctx.attempt?.status === 503 ? retry({ pool: 'spare' }) : undefined))
 */
export function retry(options: { readonly pool?: string } = {}): Retry {
  return new Retry(options.pool);
}

markCopy('Retry', Retry.prototype);
markCopy('retry', retry);

/** @internal Turns a retry of another copy of Weldr into one of this copy; undefined for anything else. */
export function adoptRetry(value: unknown): Retry | typeof retry | undefined {
  if (typeof value === 'function') return isOtherCopy('retry', retry, value) ? retry : undefined;
  if (!isOfOtherCopy('Retry', Retry.prototype, value)) return undefined;
  const { pool }: { pool?: unknown } = value;
  return pool === undefined || typeof pool === 'string' ? new Retry(pool) : undefined;
}
