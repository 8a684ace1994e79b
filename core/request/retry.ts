// Retry: what the judge stage returns to have a request tried again.

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
