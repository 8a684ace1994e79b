// An example plugin that gives each request an id: that of a trusted client, or a new one. The upstream gets the id, every
// response has it, and the log notes it.
import { randomUUID } from 'node:crypto';
import { compileMatcher, contextSlot, definePlugin, type ProxyContext, RequestFacts } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  header: z.string().min(1).default('X-Request-Id'),
  /** Clients whose id is accepted, such as `10.0.0.0/8`. */
  trusted: z.array(z.string()).default([]),
});

const idOf = contextSlot<string>('request-id');

export const requestId = definePlugin({
  name: 'request-id',
  schema: options,
  worker({ hooks }, { header, trusted }) {
    const isTrusted =
      trusted.length === 0 ? () => false : compileMatcher({ clientIp: trusted }, 'request-id.trusted');
    hooks.request.tap('request-id', ctx => {
      const given = ctx.request.headers.get(header) ?? '';
      // It ends up in logs, so its length is bounded, and its characters cannot be mistaken for something else there.
      const isTaken = /^[\w.:+/=-]{1,128}$/.test(given) && isTrusted(RequestFacts.of(ctx));
      ctx.outgoing.headers.set(header, identify(ctx, isTaken ? given : randomUUID()));
    });
    // A request that was refused before the stage `request` has no id yet.
    hooks.respond.tap('request-id', ctx => {
      ctx.response?.headers.set(header, ctx.get(idOf) ?? identify(ctx, randomUUID()));
    });

    function identify(ctx: ProxyContext, id: string): string {
      ctx.set(idOf, id);
      ctx.note(`request id ${id}`);
      return id;
    }
  },
});
