// request-id: gives each request an id for its server, its client and the log.
import { z } from 'zod';
import { NetworkSet, peer } from '../../core/network/network.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { hopByHop, isToken } from '../../core/request/headers.ts';
import { parseTraceParent } from '../../core/request/trace-parent.ts';
import { UuidSource } from './uuid.ts';

const traceparent = 'traceparent';
/** Fields with another meaning, and fields that the wire writes. */
const reserved = new Set([...hopByHop, 'host', 'content-length', 'date', 'via', traceparent, 'tracestate']);

/** Ids end up in logs, file names and queries, where no character may need an escape. */
const idForm = /^[\w.:+/=@~-]{1,128}$/;

const options = z
  .strictObject({
    header: z
      .string()
      .max(64)
      .refine(name => isToken(name) && !reserved.has(name.toLowerCase()), {
        error: ({ input }) =>
          `expected the name of a field such as "X-Request-Id", got ${JSON.stringify(input)}`,
      })
      .default('X-Request-Id')
      .describe('The header field for the id, in requests to servers and in all responses.'),
    trust: z
      .array(peer)
      .max(10_000)
      .optional()
      .describe(
        'Addresses and networks whose ids and `traceparent` are accepted, and `unix:`; default: the proxies of `forwarded.trusted`.',
      ),
  })
  .describe('Gives each request an id for its server, its client and the log.');

/** The options of `requestId`, as written in a config. */
export type RequestIdOptions = z.input<typeof options>;

/** Before and after the taps of all other plugins, wherever the config lists this one. */
const first = { name: 'request-id', stage: -1000 };
const last = { name: 'request-id', stage: 1000 };

/**
 * Gives requests an id: `requestId()`. It is the id that a trusted proxy in front has sent, the id of the trace that the
 * request belongs to (W3C Trace Context) according to its `traceparent` or `tracing()`, or a new UUID of version 7 (RFC 9562).
 * `ctx.id` and every log line about the request have it.
 *
 * @example requestId({ header: 'X-Correlation-Id', trust: ['10.0.0.0/8'] })
 */
export const requestId = definePlugin({
  name: 'request-id',
  schema: options,
  worker({ hooks, clock }, { header, trust }) {
    const uuids = new UuidSource();
    const trusted = trust === undefined ? undefined : new NetworkSet(trust);
    const isTrusted = (ctx: ProxyContext): boolean =>
      trusted === undefined ? ctx.peerTrusted : trusted.has(ctx.peerIp);
    const idFor = (ctx: ProxyContext): string =>
      (isTrusted(ctx) ? broughtId(ctx, header) : ctx.traceContext?.traceId) ?? uuids.next(clock.now());

    hooks.request.tap(first, ctx => {
      if (ctx.id === undefined) ctx.identify(idFor(ctx), header);
      return undefined;
    });
    hooks.respond.tap(last, ctx => {
      // Refused requests have passed no stage.
      if (ctx.id === undefined) ctx.identify(idFor(ctx));
      if (ctx.id !== undefined) ctx.response?.headers.set(header, ctx.id);
    });
  },
});

/** Returns the id that a proxy sent; undefined if there is none or there are several, which are ambiguous. */
function broughtId({ request: { headers }, traceContext }: ProxyContext, header: string): string | undefined {
  const given = headers.getOnly(header);
  if (given !== undefined && idForm.test(given)) return given;
  if (traceContext !== undefined) return traceContext.traceId;
  const parent = headers.getOnly(traceparent);
  return parent === undefined ? undefined : parseTraceParent(parent)?.traceId;
}
