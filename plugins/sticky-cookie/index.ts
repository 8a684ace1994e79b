// sticky-cookie: brings a client back to the upstream that it had, by a cookie.

import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { boundUpstream } from '../../core/request/bound-upstream.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { cookieOf } from '../../core/request/named-values.ts';
import { cookieName } from '../../core/request/token.ts';
import { duration } from '../../core/settings/duration.ts';
import { secret } from '../../core/settings/secret.ts';
import { HomeTokens } from './home-tokens.ts';

const attribute = /^[\x21-\x3a\x3c-\x7e]{1,256}$/;

const key = () =>
  secret().refine(
    text => text.length >= 16,
    'is short: take 16 characters or more, such as `openssl rand -hex 32` prints',
  );

const options = z
  .strictObject({
    secret: z
      .union([key(), z.array(key()).min(1).max(5)])
      .describe(
        'What names of servers are hidden with; of several the first makes cookies, all are understood.',
      ),
    name: z
      .string()
      .regex(cookieName, 'is no name of a cookie')
      .default('weldr')
      .describe('The name of the cookie; in other pools than `default` it ends with `-` and their name.'),
    ttl: duration()
      .refine(ms => ms >= 1_000, 'a cookie lasts at least 1s')
      .optional()
      .describe('How long it lasts after each response; default: until the browser is closed.'),
    path: z.string().regex(attribute, 'is no path').default('/').describe('The paths that it is sent for.'),
    domain: z
      .string()
      .regex(attribute, 'is no domain')
      .optional()
      .describe('For this domain and those below it.'),
    secure: z
      .union([z.boolean(), z.literal('auto')])
      .default('auto')
      .describe('Is it sent by https:// alone? auto: if the client came by it.'),
    sameSite: z.enum(['lax', 'strict', 'none']).default('lax').describe('Do other sites have it sent?'),
    appCookie: z
      .string()
      .regex(cookieName, 'is no name of a cookie')
      .optional()
      .describe(
        'Begins with the response that sets this cookie of the application; default: with the first.',
      ),
  })
  .refine(({ sameSite, secure }) => sameSite !== 'none' || secure !== false, {
    path: ['secure'],
    message: 'browsers refuse a cookie with sameSite none which is not secure',
  })
  .describe('Brings a client back to the server that it had, by a cookie.');

/** What `stickyCookie` takes, as people write it. */
export type StickyCookieOptions = z.input<typeof options>;

type Parsed = z.output<typeof options>;

/** The upstream that the cookie of a request names. */
const home = contextSlot<Upstream>('sticky-cookie.home');

/**
 * The plugin that keeps a client at its upstream: `stickyCookie({ secret: 'env:STICKY_SECRET' })`, beside a balancer, which
 * chooses for new clients and where the upstream is not there any more.
 */
export const stickyCookie = definePlugin({
  name: 'sticky-cookie',
  schema: options,
  worker({ hooks, onClose }, parsed) {
    const secrets = typeof parsed.secret === 'string' ? [parsed.secret] : parsed.secret;
    const pools = new Map<Pool, HomeTokens>();
    const tokensOf = (pool: Pool): HomeTokens => {
      const known = pools.get(pool);
      if (known !== undefined) return known;
      const tokens = new HomeTokens(pool, secrets);
      pools.set(pool, tokens);
      return tokens;
    };
    // Before balancers, wherever they stand.
    hooks.selectUpstream.tap({ name: 'sticky-cookie', stage: -1 }, ctx =>
      homeOf(ctx, tokensOf(ctx.pool), nameFor(ctx.pool, parsed)),
    );
    hooks.respond.tap('sticky-cookie', ctx => remember(ctx, tokensOf(ctx.pool), parsed));
    onClose(() => {
      for (const tokens of pools.values()) tokens.close();
    });
  },
});

const nameFor = (pool: Pool, { name }: Parsed): string =>
  pool.name === 'default' ? name : `${name}-${pool.name}`;

/** The upstream that the client had, while it may be given requests. */
function homeOf(ctx: ProxyContext, tokens: HomeTokens, name: string): Upstream | undefined {
  const field = ctx.request.headers.get('cookie');
  const token = field === undefined ? undefined : cookieOf(field, name);
  if (token === undefined) return undefined;
  const upstream = tokens.upstreamOf(token);
  if (upstream === undefined) {
    ctx.note(`sticky-cookie: the cookie ${name} names no server of pool ${ctx.pool.name}`);
    return undefined;
  }
  ctx.set(home, upstream);
  // One that this Weldr leaves to others is still the one that has the session.
  if ((upstream.available || upstream.apart) && !ctx.tried.includes(upstream)) {
    ctx.set(boundUpstream, upstream);
    return upstream;
  }
  ctx.note(
    `sticky-cookie: ${upstream.id} is ${upstream.available ? 'tried already' : upstream.state}, another one is chosen`,
  );
  return undefined;
}

function remember(ctx: ProxyContext, tokens: HomeTokens, parsed: Parsed): void {
  const { response, upstream } = ctx;
  if (upstream === undefined || response?.source !== 'upstream') return;
  const isHome = ctx.get(home) === upstream;
  if (isHome && parsed.ttl === undefined) return;
  if (!isHome && parsed.appCookie !== undefined && !setsCookie(response.headers, parsed.appCookie)) return;
  const token = tokens.tokenOf(upstream);
  if (token !== undefined)
    response.headers.append('Set-Cookie', cookie(nameFor(ctx.pool, parsed), token, ctx.scheme, parsed));
}

function setsCookie(headers: { getAll(name: string): readonly string[] }, name: string): boolean {
  return headers.getAll('set-cookie').some(value => value.slice(0, value.indexOf('=')).trim() === name);
}

/** RFC 6265 section 4.1, and SameSite of its successor. */
function cookie(name: string, token: string, scheme: 'http' | 'https', parsed: Parsed): string {
  const { path, domain, ttl, secure, sameSite } = parsed;
  const parts = [`${name}=${token}`, `Path=${path}`];
  if (domain !== undefined) parts.push(`Domain=${domain}`);
  if (ttl !== undefined) parts.push(`Max-Age=${Math.round(ttl / 1_000)}`);
  parts.push(
    'HttpOnly',
    `SameSite=${sameSite === 'none' ? 'None' : sameSite === 'strict' ? 'Strict' : 'Lax'}`,
  );
  if (secure === true || (secure === 'auto' && scheme === 'https')) parts.push('Secure');
  return parts.join('; ');
}
