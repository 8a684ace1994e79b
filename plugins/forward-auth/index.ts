// forward-auth: asks another server whether a request may pass, as nginx's auth_request and Traefik's forwardAuth do.
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

const fieldName = z.string().refine(isToken, 'is not a field name');
const told = fieldName.refine(
  name => !hopByHop.has(name.toLowerCase()) && !/^(?:host|content-length)$/i.test(name),
  'is written by Weldr itself: leave it out',
);

const options = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'expected a URL such as "http://auth.internal:9000/verify"' })
      .refine(text => !/[@#]/.test(text), 'has a name, a password or a fragment: leave them out')
      .describe('The URL of the auth server, which is asked with GET.'),
    requestHeaders: z
      .union([z.array(fieldName).max(256), z.literal('*')])
      .default('*')
      .describe(
        "Fields of the client's request that the auth server gets; `*`: all but those about the body, ranges and caches.",
      ),
    responseHeaders: z
      .array(told)
      .max(256)
      .default([])
      .describe(
        "Fields of its response that are passed on to servers. A client's own fields of these names are dropped.",
      ),
    setCookie: z
      .boolean()
      .default(false)
      .describe('Whether the cookies that it sets when it admits a request are passed on to the client.'),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .prefault('5s')
      .describe('How long it may take to respond; less than `timeouts.stage`.'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(500)
      .describe('Concurrent checks in each worker; further requests are answered 503.'),
    maxBody: size().prefault('64kb').describe('The longest body of a refusal that is passed on.'),
    ambiguousPaths: z
      .enum(['refuse', 'send'])
      .default('refuse')
      .describe(
        'What happens to paths that it could read differently than servers do: `refuse` answers 400, `send` asks it.',
      ),
  })
  .describe('Asks another server whether requests may pass.');

/** The options of `forwardAuth`, as written in a config. */
export type ForwardAuthOptions = z.input<typeof options>;

type Parsed = z.output<typeof options>;

/** Cookies of the auth server for clients of admitted requests. */
const cookies = contextSlot<readonly string[]>('forward-auth.cookies');

const unavailable = reply(503, '503 your access cannot be checked now\n', { 'Retry-After': '5' });
const ambiguous = reply(400, '400 the path is ambiguous\n');
/** Of two fields, the auth server might read one and the upstream the other. */
const twoLogins = reply(400, '400 there is more than one Authorization field\n');

/**
 * Asks an auth server: `forwardAuth({ url: 'http://auth.internal/verify', responseHeaders: ['X-User'] })`. On 2xx a request
 * passes; on 3xx and 4xx its client gets that response; on anything else a 503.
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
      help: 'Requests by the decision of the auth server.',
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
        ctx.note('forward-auth: not asked for an explained request; taken as admitted');
        done(null);
        return;
      }
      if (asking >= parsed.concurrency) {
        failed.inc();
        ctx.note('forward-auth: too many concurrent checks');
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
          log.warn(`the auth server ${parsed.url} made no decision: ${why}`);
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

/** Returns what a response means: the request is admitted, a refusal for the client, or a failure. */
function verdictOf(answer: AuthAnswer): 'admitted' | 'failed' | Reply {
  const { status } = answer;
  if (status >= 200 && status < 300) return 'admitted';
  // A 304 would be about a cached copy, but the question has no condition.
  if (status < 300 || status >= 500 || status === 304) return 'failed';
  return refusalOf(answer);
}

const notPassedOn = new Set([...hopByHop, 'content-length', 'trailer', 'date']);

function refusalOf({ status, fields, body }: AuthAnswer): Reply | 'failed' {
  try {
    const passedOn = [...pairs(fields)].filter(([name]) => !notPassedOn.has(name.toLowerCase()));
    return reply(status, body ?? '', passedOn);
  } catch {
    // One of its fields cannot be sent.
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
