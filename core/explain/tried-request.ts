// TriedRequest: a request as an operator describes it, to explain it or try routes on it; it is never sent.
import { isIP } from 'node:net';
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { isAuthority, isMethod, isTarget } from '../grammar/request-line.ts';
import { isFieldValue, isToken } from '../request/headers.ts';
import type { Rehearsed } from '../request/rehearsal.ts';

const fieldValue = z.string().max(16_384).refine(isFieldValue, 'holds a character that no header may hold');

/** A request to try. */
export const triedRequest = z
  .strictObject({
    method: z
      .string()
      .transform(method => method.toUpperCase())
      .refine(isMethod, 'expected a method such as GET')
      .default('GET')
      .describe('The method.'),
    url: z
      .string()
      .max(8_192)
      .describe(
        'Scheme, host and path as a client would ask: `https://shop.example/api/x`; or a path alone.',
      ),
    headers: z
      .record(
        z.string().refine(isToken, 'is not a header name'),
        z.union([fieldValue, z.array(fieldValue).max(100)]),
      )
      .default({})
      .describe('The header fields, each with a value or a list of values.'),
    clientIp: z
      .string()
      .refine(text => isIP(text) !== 0, 'expected an address such as 192.0.2.1')
      .default('127.0.0.1')
      .describe("The client's address."),
    listener: z.string().max(1_000).default('').describe('The name of the listener that it arrives at.'),
  })
  .describe('A request, which is not sent.');

/** The parsed form of {@link triedRequest}. */
export type TriedRequest = z.output<typeof triedRequest>;

/** The request as plugins see it. Throws INPUT_INVALID for a bad URL or host. */
export function rehearsedOf({ method, url, headers, clientIp, listener }: TriedRequest): Rehearsed {
  const [, scheme, authority = '', rest = ''] = /^(?:(https?):\/\/([^/?#]*))?([^#]*)/i.exec(url) ?? [];
  const target = rest.startsWith('/') ? rest : rest === '' || rest.startsWith('?') ? `/${rest}` : rest;
  if (!isTarget(target) || (scheme !== undefined && !isAuthority(authority))) {
    throw new WeldrError(
      'INPUT_INVALID',
      `url: expected one such as "https://shop.example/api/x" or "/api/x", got ${JSON.stringify(url.slice(0, 200))}`,
      { field: 'url' },
    );
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map(one => [name, one] as const),
  );
  const named = lines.find(([name]) => name.toLowerCase() === 'host')?.[1];
  if (named !== undefined && !isAuthority(named)) {
    throw new WeldrError('INPUT_INVALID', `headers: ${JSON.stringify(named.slice(0, 200))} is not a host`, {
      field: 'headers',
    });
  }
  return {
    method,
    target,
    scheme: scheme?.toLowerCase() === 'https' ? 'https' : 'http',
    host: named ?? authority,
    headers: lines.filter(([name]) => name.toLowerCase() !== 'host'),
    clientIp,
    listener,
  };
}
