// Split: sends shares of a route's requests to several pools, by weight; optionally sticky.
import { spread } from '../../core/pool/hash.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { cookieOf } from '../../core/request/named-values.ts';
import type { Route } from '../../core/request/route.ts';
import type { SplitOptions } from './route-options.ts';
import { hashOf } from './text-table.ts';

/** The number of places that a cookie can name. */
const places = 1_000_000;

/** The place assigned to a client without a cookie. */
const given = contextSlot<number>('routes.split');

/**
 * Each request has a place from 0 to below 1, and each pool a part of that range in proportion to its weight. The place is
 * sticky: when weights change, only clients whose place is now in another pool's part move.
 */
export class Split {
  private readonly routes: readonly Route[];
  /** Where the part of each route ends. */
  private readonly bounds: readonly number[];
  private readonly sticky: SplitOptions['sticky'];

  /** @param routes in the order of the weights */
  constructor(routes: readonly Route[], weights: readonly number[], sticky: SplitOptions['sticky']) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let end = 0;
    this.bounds = weights.map(weight => {
      end += weight;
      return end / total;
    });
    this.routes = routes;
    this.sticky = sticky;
  }

  choose(ctx: ProxyContext): Route | undefined {
    const place = this.placeOf(ctx);
    const { bounds } = this;
    for (let i = 0; i < bounds.length; i++) if (place < (bounds[i] ?? 0)) return this.routes[i];
    return undefined;
  }

  /** Sets the cookie with the client's place. */
  respond(ctx: ProxyContext): void {
    const place = ctx.get(given);
    if (place === undefined || this.sticky === undefined || !('cookie' in this.sticky)) return;
    const secure = ctx.scheme === 'https' ? '; Secure' : '';
    const cookie = `${this.sticky.cookie}=${place}; Path=/; HttpOnly; SameSite=Lax${secure}`;
    ctx.response?.headers.append('Set-Cookie', cookie);
  }

  private placeOf(ctx: ProxyContext): number {
    const { sticky } = this;
    if (sticky === undefined) return Math.random();
    if ('hash' in sticky) return evenly(hashOf(ctx.clientIp, 'forwards'));
    for (const field of ctx.request.headers.getAll('cookie')) {
      const value = cookieOf(field, sticky.cookie);
      if (value !== undefined && /^\d{1,6}$/.test(value)) return Number(value) / places;
    }
    const place = Math.floor(Math.random() * places);
    ctx.set(given, place);
    return place / places;
  }
}

/** Returns a hash as a number from 0 to below 1. Its bits are mixed, which spreads similar addresses. */
function evenly(hash: number): number {
  return spread(hash) / 2 ** 32;
}
