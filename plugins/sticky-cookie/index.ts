// sticky-cookie: sends a client to the same upstream each time, by a cookie.
import { z } from 'zod';
import { cookieName } from '../../core/grammar/token.ts';
import { duration } from '../../core/options/duration.ts';
import { secret } from '../../core/options/secret.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { Pool, Upstream } from '../../core/pool/pool.ts';
import { boundUpstream } from '../../core/request/bound-upstream.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { cookieOf } from '../../core/request/named-values.ts';
import { HomeTokens } from './home-tokens.ts';

const attribute = /^[\x21-\x3a\x3c-\x7e]{1,256}$/;

const key = () =>
  secret().refine(
    text => text.length >= 16,
    'is too short: use 16 characters or more, such as `openssl rand -hex 32` prints',
  );

const options = z
  .strictObject({
    secret: z
      .union([key(), z.array(key()).min(1).max(5)])
      .describe(
        'The key that hides the names of servers. With several, new cookies are made with the first, and those of all are accepted.',
      ),
    name: z
      .string()
      .regex(cookieName, 'is not a cookie name')
      .default('weldr')
      .describe(
        'The name of the cookie; in pools other than `default`, `-` and the name of the pool are appended.',
      ),
    ttl: duration()
      .refine(ms => ms >= 1_000, 'a cookie lasts at least 1s')
      .optional()
      .describe('How long the cookie lasts after each response; default: until the browser is closed.'),
    path: z
      .string()
      .regex(attribute, 'is not a path')
      .default('/')
      .describe('The path at and below which browsers send the cookie.'),
    domain: z
      .string()
      .regex(attribute, 'is not a domain')
      .optional()
      .describe('The domain for which browsers send the cookie, including its subdomains.'),
    secure: z
      .union([z.boolean(), z.literal('auto')])
      .default('auto')
      .describe('Whether browsers send the cookie over https:// only; `auto`: if the client uses https://.'),
    sameSite: z
      .enum(['lax', 'strict', 'none'])
      .default('lax')
      .describe('Whether browsers send the cookie with requests that other sites cause.'),
    appCookie: z
      .string()
      .regex(cookieName, 'is not a cookie name')
      .optional()
      .describe(
        'Stickiness begins with the response that sets this cookie of the application; default: with the first response.',
      ),
  })
  .refine(({ sameSite, secure }) => sameSite !== 'none' || secure !== false, {
    path: ['secure'],
    message: 'browsers refuse a cookie with sameSite none that is not secure',
  })
  .describe('Sends a client to the same server each time, by a cookie.');

/** The options of `stickyCookie`, as written in a config. */
export type StickyCookieOptions = z.input<typeof options>;

type Parsed = z.output<typeof options>;

/** The upstream that the request's cookie names. */
const home = contextSlot<Upstream>('sticky-cookie.home');

/**
 * Keeps a client at its upstream: `stickyCookie({ secret: 'env:STICKY_SECRET' })`, beside a balancer, which chooses for new
 * clients and when the upstream is no longer available.
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
    // Before balancers, wherever they are listed.
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

/** The client's previous upstream, if it may be given requests. */
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
  // An upstream that this Weldr leaves to others has the session all the same.
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
