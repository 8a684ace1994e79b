// HashKey: the part of a request that is hashed.
import { z } from 'zod';
import type { ProxyContext } from '../../core/request/context.ts';
import { hostName } from '../../core/request/host-pattern.ts';
import { cookieOf, parameterOf } from '../../core/request/named-values.ts';
import { queryOf } from '../../core/request/target-query.ts';

const named = (what: string) => z.string().min(1).max(256).describe(what);

const one = z.union([
  z.enum(['client', 'path', 'target', 'host']),
  z.strictObject({ header: named('The name of a request header.') }),
  z.strictObject({ cookie: named('The name of a cookie.') }),
  z.strictObject({ query: named('The name of a parameter of the query.') }),
]);

/** The part of a request that is hashed, as written in a config. */
export const hashKey = z
  .union([one, z.array(one).min(1).max(8)])
  .describe(
    'What is hashed: the address of the client, the path, path and query, the host, or a header, cookie or query parameter by name. From a list, the first one that the request has is used.',
  );

export type HashKey = z.output<typeof hashKey>;

/** Returns the key of a request; undefined: it has none. */
export type KeyReader = (ctx: ProxyContext) => string | undefined;

/** Compiles a hash key; of several, the first one that the request has is used. */
export function keyReader(by: HashKey): KeyReader {
  if (!Array.isArray(by)) return readerOf(by);
  const [first, ...others] = by.map(readerOf);
  if (first === undefined || others.length === 0) return first ?? (() => undefined);
  return ctx => {
    let key = first(ctx);
    for (let i = 0; key === undefined && i < others.length; i++) key = others[i]?.(ctx);
    return key;
  };
}

function readerOf(key: z.output<typeof one>): KeyReader {
  if (key === 'client') return ctx => ctx.clientIp;
  if (key === 'path') return ctx => ctx.request.path;
  if (key === 'target') return ctx => ctx.request.target;
  if (key === 'host') return ctx => hostName(ctx.request.host) || undefined;
  if ('header' in key) return ctx => ctx.request.headers.get(key.header);
  if ('cookie' in key) {
    return ctx => {
      const field = ctx.request.headers.get('cookie');
      return field === undefined ? undefined : cookieOf(field, key.cookie);
    };
  }
  return ctx => parameterOf(queryOf(ctx.request.target), key.query);
}
