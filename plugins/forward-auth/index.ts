// forward-auth: has another server say whether a request may pass, as nginx's auth_request and Traefik's forwardAuth do.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import { hopByHop, isToken } from '../../core/request/headers.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { duration, size } from '../../core/settings/duration.ts';
import { isAmbiguous, PassedFields, questionOf } from './auth-question.ts';
import { type AuthAnswer, AuthServer } from './auth-server.ts';

const fieldName = z.string().refine(isToken, 'is no name of a field');
const told = fieldName.refine(
  name => !hopByHop.has(name.toLowerCase()) && !/^(?:host|content-length)$/i.test(name),
  'is a field that Weldr writes itself: leave it out',
);

const options = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'expected a URL such as "http://auth.internal:9000/verify"' })
      .refine(text => !/[@#]/.test(text), 'has a name, a password or a fragment: leave them out')
      .describe('Where it is asked, with GET.'),
    requestHeaders: z
      .union([z.array(fieldName).max(256), z.literal('*')])
      .default('*')
      .describe('Fields of the client that it is told; `*`: all but those about the body.'),
    responseHeaders: z
      .array(told)
      .max(256)
      .default([])
      .describe('Fields of its answer that servers are told; what a client says in them is dropped.'),
    setCookie: z
      .boolean()
      .default(false)
      .describe('Do clients get the cookies that it sets where it lets them pass, too?'),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .prefault('5s')
      .describe('Until it has answered; less than `timeouts.stage`.'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(500)
      .describe('Questions at once, in each worker; further requests are answered 503.'),
    maxBody: size().prefault('64kb').describe('The longest body of a refusal that is passed on.'),
    ambiguousPaths: z
      .enum(['refuse', 'send'])
      .default('refuse')
      .describe('What becomes of paths that it could read in another way than servers: 400, or it is asked.'),
  })
  .describe('Has another server say whether requests may pass.');

/** What `forwardAuth` takes, as people write it. */
export type ForwardAuthOptions = z.input<typeof options>;

type Parsed = z.output<typeof options>;

/** Cookies that clients get although they pass. */
const cookies = contextSlot<readonly string[]>('forward-auth.cookies');

const unavailable = reply(503, '503 it cannot be said now whether you may pass\n', { 'Retry-After': '5' });
const ambiguous = reply(400, '400 the path is ambiguous\n');
/** Of two, the auth server might read one and the upstream the other. */
const twoLogins = reply(400, '400 Authorization comes twice\n');

/**
 * The plugin that asks an auth server: `forwardAuth({ url: 'http://auth.internal/verify', responseHeaders: ['X-User'] })`.
 * With 2xx a request passes; with 3xx and 4xx its client gets that answer; anything else is a 503.
 */
export const forwardAuth = definePlugin({
  name: 'forward-auth',
  schema: options,
  worker({ hooks, clock, log, metrics, onClose }, parsed) {
    const server = new AuthServer({ ...parsed, url: new URL(parsed.url), clock });
    onClose(() => server.close());
    const passed = new PassedFields(parsed.requestHeaders);
    const asksAboutLogin = passed.has('authorization');
    const results = metrics.counter({
      name: 'forward_auth_total',
      help: 'Requests that an auth server was asked about.',
      labels: ['result'],
    });
    const [admitted, refused, failed] = [
      results.labels('admitted'),
      results.labels('refused'),
      results.labels('failed'),
    ];
    let asking = 0;

    hooks.request.tapAsync('forward-auth', (ctx, done) => {
      if (parsed.ambiguousPaths === 'refuse' && isAmbiguous(ctx)) {
        done(null, ambiguous);
        return;
      }
      if (asksAboutLogin && ctx.request.headers.getAll('authorization').length > 1) {
        done(null, twoLogins);
        return;
      }
      if (ctx.rehearsal) {
        ctx.note('forward-auth: not asked, as nothing is sent; taken as a yes');
        done(null);
        return;
      }
      if (asking >= parsed.concurrency) {
        failed.inc();
        ctx.note('forward-auth: too many questions at once');
        done(null, unavailable);
        return;
      }
      asking++;
      const giveUp = server.ask(questionOf(ctx, passed), (error, answer) => {
        asking--;
        ctx.signal.removeEventListener('abort', leave);
        const verdict = answer === undefined ? 'failed' : verdictOf(answer);
        if (verdict === 'failed') {
          failed.inc();
          const why = error?.message ?? `it answered ${answer?.status}`;
          log.warn(`the auth server ${parsed.url} cannot be asked: ${why}`);
          done(null, unavailable);
        } else if (verdict === 'admitted') {
          admitted.inc();
          admit(ctx, answer?.fields ?? [], parsed);
          done(null);
        } else {
          refused.inc();
          done(null, verdict);
        }
      });
      const leave = (): void => {
        asking--;
        giveUp();
      };
      ctx.signal.addEventListener('abort', leave, { once: true });
    });

    if (!parsed.setCookie) return;
    hooks.respond.tap('forward-auth', ctx => {
      for (const cookie of ctx.get(cookies) ?? []) ctx.response?.headers.append('Set-Cookie', cookie);
    });
  },
});

/** What an answer means: that the request may pass, a refusal for the client, or nothing that is known. */
function verdictOf(answer: AuthAnswer): 'admitted' | 'failed' | Reply {
  const { status } = answer;
  if (status >= 200 && status < 300) return 'admitted';
  // A 304 would be about a copy, of which it was not asked.
  if (status < 300 || status >= 500 || status === 304) return 'failed';
  return refusalOf(answer);
}

const notPassedOn = new Set([...hopByHop, 'content-length', 'trailer', 'date']);

function refusalOf({ status, fields, body }: AuthAnswer): Reply | 'failed' {
  try {
    const passedOn = [...pairs(fields)].filter(([name]) => !notPassedOn.has(name.toLowerCase()));
    return reply(status, body ?? '', passedOn);
  } catch {
    // A field that cannot be sent.
    return 'failed';
  }
}

function admit(ctx: ProxyContext, fields: readonly string[], { responseHeaders, setCookie }: Parsed): void {
  const { headers } = ctx.outgoing;
  for (const wanted of responseHeaders) {
    deleteField(headers, wanted);
    for (const [name, value] of pairs(fields)) {
      if (name.toLowerCase() === wanted.toLowerCase()) headers.append(wanted, value);
    }
  }
  if (!setCookie) return;
  const set = [...pairs(fields)].filter(([name]) => name.toLowerCase() === 'set-cookie');
  if (set.length > 0) ctx.set(cookies, [...(ctx.get(cookies) ?? []), ...set.map(([, value]) => value)]);
}

function* pairs(fields: readonly string[]): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < fields.length; at += 2) yield [fields[at] ?? '', fields[at + 1] ?? ''];
}
