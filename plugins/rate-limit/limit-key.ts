// LimitKey: the part of a request that it is counted by.
import { hash } from 'node:crypto';
import { z } from 'zod';
import { addressKey } from '../../core/network/address-key.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { folded } from '../../core/request/field-aliases.ts';
import { isToken } from '../../core/request/headers.ts';
import { cookiesOf, parametersOf } from '../../core/request/named-values.ts';
import { queryOf } from '../../core/request/target-query.ts';

const named = (what: string) => z.string().min(1).max(256).describe(what);

/** What requests are counted by, as written in a config. */
export const limitKey = z
  .union([
    z.literal('client'),
    z.strictObject({
      header: z
        .string()
        .max(256)
        .refine(isToken, 'is not a field name')
        .describe('The name of a request header.'),
    }),
    z.strictObject({ cookie: named('The name of a cookie.') }),
    z.strictObject({ query: named('The name of a parameter of the query.') }),
  ])
  .describe(
    'What requests are counted by: the address of the client, or a header, a cookie or a query parameter by name; requests without it count by the address.',
  );

export type LimitKey = z.output<typeof limitKey>;

/** Returns the key of a request, in code; undefined: the request does not count. */
export type KeyFunction = (ctx: ProxyContext) => string | undefined;

/** Returns the key of a request. Keys of different kinds never collide. */
export type KeyReader = (ctx: ProxyContext) => string | undefined;

/** Longer keys are kept as a hash. */
const maxLength = 64;

/**
 * Compiles a limit key.
 * @param prefix the number of bits of an IPv6 address that count
 */
export function keyReader(by: LimitKey, prefix: number): KeyReader {
  const address: KeyReader = ctx => addressKey(ctx.clientIp, prefix);
  if (by === 'client') return address;
  const valuesOf =
    'header' in by ? fieldValues(by.header) : 'cookie' in by ? cookies(by.cookie) : parameters(by.query);
  return ctx => {
    const values = valuesOf(ctx);
    const [value = ''] = values;
    // Of several values, the server might read another one than is counted here.
    return value === '' || values.length > 1 ? address(ctx) : `=${short(value)}`;
  };
}

/** Reads keys by a function. Throws a TypeError if it returns anything but text or undefined. */
export function keyByFunction(key: KeyFunction): KeyReader {
  return ctx => {
    const value: unknown = key(ctx);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw new TypeError(`key returns text or undefined, got ${typeof value}`);
    return short(value);
  };
}

const short = (value: string): string =>
  value.length <= maxLength ? value : hash('sha256', value, 'base64');

type Values = (ctx: ProxyContext) => readonly string[];

/** Reads a field in every spelling that an upstream may take for its name, so that none bypasses the limit. */
function fieldValues(name: string): Values {
  const key = folded(name);
  return ({ request: { headers } }) => headers.valuesOfSpellings(key);
}

const cookies =
  (name: string): Values =>
  ({ request: { headers } }) =>
    cookiesOf(headers.getAll('cookie'), name);

const parameters =
  (name: string): Values =>
  ({ request: { target } }) =>
    parametersOf(queryOf(target), name);
