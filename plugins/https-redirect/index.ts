// https-redirect: redirects clients from http:// to https://, and can make browsers remember to use https://.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { hstsSettings, hstsValue } from '../../core/request/hsts.ts';
import { type Reply, reply } from '../../core/request/reply.ts';

const options = z
  .strictObject({
    status: z
      .union([z.literal(301), z.literal(302), z.literal(307), z.literal(308)])
      .default(308)
      .describe('Status of the redirect; 307 and 308 keep method and body.'),
    port: z
      .number()
      .int()
      .min(1)
      .max(65535)
      .default(443)
      .describe('The port of https://, as clients see it.'),
    hsts: hstsSettings.optional().describe('Strict-Transport-Security in responses over https://.'),
  })
  .describe('Redirects http:// to https://.');

/** The options of `httpsRedirect`, as written in a config. */
export type HttpsRedirectOptions = z.input<typeof options>;

/**
 * Redirects http:// to https://: `httpsRedirect()`. `hsts` tells browsers to use https:// only (RFC 6797).
 */
export const httpsRedirect = definePlugin({
  name: 'https-redirect',
  schema: options,
  worker({ hooks }, { status, port, hsts }) {
    hooks.request.tap('https-redirect', ctx =>
      ctx.scheme === 'https' ? undefined : redirect(ctx, status, port),
    );
    if (hsts === undefined) return;
    const value = hstsValue(hsts);
    hooks.respond.tap('https-redirect', ctx => {
      const headers = ctx.response?.headers;
      // RFC 6797 section 7.2: it must not be sent over http://. A server's own field stays.
      if (ctx.scheme !== 'https' || headers?.has('strict-transport-security')) return;
      headers?.set('Strict-Transport-Security', value);
    });
  },
});

function redirect({ request }: ProxyContext, status: number, port: number): Reply {
  const host = request.host.replace(/:\d*$/, '');
  if (host === '') return reply(400, '400 the request names no host to redirect to\n');
  const target = request.target.startsWith('/') ? request.target : '/';
  const authority = port === 443 ? host : `${host}:${port}`;
  return reply(status, '', { Location: `https://${authority}${target}` });
}
