// Route: a named destination, which a plugin's rule leads to.
import { isPool, type Pool } from '../pool/pool.ts';
import type { ProxyContext } from './context.ts';
import type { Reply } from './reply.ts';
import type { RouteFacts } from './route-facts.ts';

/** @internal `value instanceof Route`, for the hot path. */
export let isRoute: (value: unknown) => value is Route;

/** Makes the reply to a request whose route leads to no pool. */
export type RouteReply = (ctx: ProxyContext) => Reply;

/**
 * The destination of a rule: a name for logs, metrics and scopes, and a pool or a reply. A plugin makes its routes once, at
 * its start, with `side.route(name, pool)`, and returns them from the stage `route`.
 */
export class Route implements RouteFacts {
  readonly name: string;
  readonly pool: Pool | undefined;
  /** Makes the reply, once the route's own plugins have admitted the request; undefined: it leads to a pool. */
  readonly reply: RouteReply | undefined;
  readonly pattern: string | undefined;
  readonly #made = true;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
  static [Symbol.hasInstance](value: unknown): value is Route {
    return isRoute(value);
  }

  static {
    isRoute = (value): value is Route => typeof value === 'object' && value !== null && #made in value;
  }

  constructor(name: string, end: Pool | RouteReply, pattern?: string) {
    if (typeof name !== 'string' || name === '')
      throw new TypeError(`a route's name is a string, got ${String(name)}`);
    const makesReply = typeof end === 'function';
    if (!makesReply && !isPool(end))
      throw new TypeError(`the route ${name} leads to no pool and makes no reply`);
    this.name = name;
    this.pool = makesReply ? undefined : end;
    this.reply = makesReply ? end : undefined;
    this.pattern = pattern === undefined ? undefined : String(pattern);
    Object.freeze(this);
  }
}
