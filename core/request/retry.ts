// Retry: what the judge stage returns to have a request tried again.

/** A wish for another attempt; make it with {@link retry}. */
export class Retry {
  /** The name of the pool to choose from; undefined: the request's. */
  readonly pool: string | undefined;

  constructor(pool: string | undefined) {
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
