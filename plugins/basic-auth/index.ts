// basic-auth: asks for a name and a password from a list (RFC 7617).
import { z } from 'zod';
import { addressKey } from '../../core/network/address-key.ts';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import { hopByHop, isToken } from '../../core/request/headers.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { ThreadChecker } from './password-checker.ts';
import { type Credentials, PasswordChecks, type Verdict } from './password-checks.ts';
import { usersSchema } from './users.ts';

const options = z
  .strictObject({
    users: usersSchema.describe(
      'Password hashes by user name, or `file:PATH` of a list as `htpasswd -B` creates it.',
    ),
    realm: z
      .string()
      .regex(/^[ !#-[\]-~]{1,100}$/, 'expected printable ASCII without " and \\')
      .default('restricted')
      .describe('What browsers show when they ask for the password.'),
    forward: z
      .boolean()
      .default(false)
      .describe('Whether the name and the password are passed on to servers.'),
    userHeader: z
      .string()
      .refine(isToken, 'is not a field name')
      .refine(
        name => !/^(host|authorization|content-length)$/i.test(name) && !hopByHop.has(name.toLowerCase()),
        'already has a meaning: use a field such as X-Forwarded-User',
      )
      .optional()
      .describe('The field that tells servers the user name, such as X-Forwarded-User.'),
    remember: duration()
      .prefault('1m')
      .describe('How long correct credentials are remembered; 0: each request costs a check.'),
    queue: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(32)
      .describe('Checks that may wait in each worker; further requests are answered 503.'),
  })
  .describe('Asks for a name and a password from a list.');

/** The options of `basicAuth`, as written in a config. */
export type BasicAuthOptions = z.input<typeof options>;

/**
 * Asks for a name and a password: `basicAuth({ users: 'file:/etc/weldr/users' })`. Passwords are checked in a thread, one at
 * a time.
 */
export const basicAuth = definePlugin({
  name: 'basic-auth',
  schema: options,
  worker({ hooks, clock, log, onClose }, { users, realm, forward, userHeader, remember, queue }) {
    const checker = new ThreadChecker();
    onClose(() => checker.close());
    const failed = (error: unknown): void => log.error({ err: error }, 'a password could not be checked');
    const checks = new PasswordChecks({ users, checker, clock, remember, queue, failed });
    const refusals = refusalsFor(realm);

    hooks.request.tapAsync('basic-auth', (ctx, done) => {
      const credentials = credentialsOf(ctx);
      if (credentials === undefined) {
        done(null, refusals.wrong);
        return;
      }
      if (ctx.rehearsal) {
        // A check would keep clients waiting for the thread, and let a reader of explanations try passwords.
        const isKnown = users.has(credentials.user);
        ctx.note(
          isKnown
            ? 'basic-auth: the password is not checked for an explained request; taken as right'
            : 'basic-auth: wrong, there is no such user',
        );
        if (isKnown) admit(ctx, credentials.user);
        done(null, isKnown ? undefined : refusals.wrong);
        return;
      }
      const leave = checks.check(credentials, addressKey(ctx.clientIp), verdict => {
        if (verdict === 'right') admit(ctx, credentials.user);
        else ctx.note(`basic-auth: ${verdict}`);
        done(null, verdict === 'right' ? undefined : refusals[verdict]);
      });
      if (leave !== undefined) ctx.signal.addEventListener('abort', leave, { once: true });
    });

    function admit(ctx: ProxyContext, user: string): void {
      const { headers } = ctx.outgoing;
      if (!forward) deleteField(headers, 'authorization');
      if (userHeader !== undefined) {
        deleteField(headers, userHeader);
        headers.set(userHeader, user);
      }
      ctx.note(`basic-auth: user ${user}`);
    }
  },
});

function refusalsFor(realm: string): Readonly<Record<Exclude<Verdict, 'right'>, Reply>> {
  const busy = reply(503, '503 passwords cannot be checked now\n', { 'Retry-After': '1' });
  return {
    wrong: reply(401, '401 a user name and a password are required\n', {
      'WWW-Authenticate': `Basic realm="${realm}", charset="UTF-8"`,
      'Cache-Control': 'no-store',
    }),
    crowding: reply(429, '429 too many passwords at once\n', { 'Retry-After': '1' }),
    busy,
    failed: busy,
  };
}

const basic = /^basic +([A-Za-z0-9+/]+={0,2})$/i;
/** Longer than any password that people use; a bound, because what clients send is hashed. */
const maxLength = 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Returns the name and the password of a request; undefined: there are none that could be right. */
function credentialsOf({ request: { headers } }: ProxyContext): Credentials | undefined {
  // With two fields, the upstream might read the other one.
  const [field = '', ...others] = headers.getAll('authorization');
  const encoded = basic.exec(field)?.[1];
  if (encoded === undefined || others.length > 0 || encoded.length > (maxLength * 4) / 3) return undefined;
  let text: string;
  try {
    text = utf8.decode(Buffer.from(encoded, 'base64'));
  } catch {
    return undefined;
  }
  const colon = text.indexOf(':');
  // RFC 7617 section 2: no control characters.
  if (colon < 0 || hasControl(text)) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function hasControl(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
