// Route: a destination with a name, which a plugin's rule leads to.
import { Pool } from '../pool/pool.ts';

/** @internal `value instanceof Route`, for the hot path. */
export let isRoute: (value: unknown) => value is Route;

/**
 * Where a rule leads: a name for logs, metrics and scopes, and a pool. A plugin makes its routes once, at its start,
 * with `side.route(name, pool)`, and returns them from the stage `route`.
 */
export class Route {
  readonly name: string;
  readonly pool: Pool;
  readonly #made = true;

  /** By what only its constructor gives: the core relies on it, whatever a plugin made to look like one. */
  static [Symbol.hasInstance](value: unknown): value is Route {
    return isRoute(value);
  }

  static {
    isRoute = (value): value is Route => typeof value === 'object' && value !== null && #made in value;
  }

  constructor(name: string, pool: Pool) {
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`a route's name is a text, got ${String(name)}`);
    if (!(pool instanceof Pool)) throw new TypeError(`the route ${name} leads to no pool`);
    this.name = name;
    this.pool = pool;
    Object.freeze(this);
  }
}
