// What a route takes, as people write it: conditions, and what becomes of the requests that meet them.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes

import { z } from 'zod';
import type { ListedPlugin } from '../../core/plugin/plugin.ts';
import { namePattern } from '../../core/pool/pool-name.ts';
import { compileMatcher } from '../../core/request/compiled-matcher.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { hopByHop, isFieldValue, isToken } from '../../core/request/headers.ts';
import { type MatcherOptions, matcherSchema, plainKeys } from '../../core/request/matcher.ts';
import { isAuthority } from '../../core/request/request-line.ts';
import { cookieName } from '../../core/request/token.ts';
import { duration, size } from '../../core/settings/duration.ts';
import { hostInCode, hostInText, pathInCode, pathInText } from './patterns.ts';
import { redirectTargetProblem } from './redirect.ts';
import { templateProblem } from './template.ts';

const poolName = z.string().regex(namePattern, 'expected the name of a pool');

/** Of fields that the wire writes itself, and of Host, which there is one of. */
function fieldNameProblem(name: string): string | undefined {
  if (!isToken(name)) return `${JSON.stringify(name)} is no name of a header: use letters, digits and -`;
  const key = name.toLowerCase();
  if (hopByHop.has(key) || key === 'content-length')
    return `${name} belongs to a connection, and is Weldr's to write`;
  return key === 'host' ? 'Host is set by upstreamHost' : undefined;
}

const fieldName = z.string().superRefine((name, context) => {
  const message = fieldNameProblem(name);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const fieldValue = z.string().refine(isFieldValue, 'holds a character that no header may hold');

const fieldValues = z.record(z.string(), fieldValue).superRefine((fields, context) => {
  for (const name of Object.keys(fields)) {
    const message = fieldNameProblem(name);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  }
});

const headerEdits = z.strictObject({
  set: fieldValues.optional().describe('Fields that get this value, whatever they were.'),
  add: fieldValues.optional().describe('Fields that get one more line.'),
  remove: z.array(fieldName).max(100).optional().describe('Names of fields that are taken out.'),
});

const template = z.string().superRefine((text, context) => {
  const problem = templateProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
});

const redirect = z
  .strictObject({
    to: template
      .superRefine((text, context) => {
        const problem = redirectTargetProblem(text);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
      })
      .describe(
        'Where to: `https://shop.example/$1`, or a path. `$1` is what `*` stands for, `${id}` what `:id` does.',
      ),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
      .default(302)
      .describe('301 and 308 are kept by browsers; 307 and 308 have method and body sent again.'),
  })
  .describe('Sends the client elsewhere. The query is kept unless `to` has one.');

const replied = z
  .strictObject({
    status: z.number().int().min(200).max(599).default(200).describe('The status.'),
    headers: fieldValues.optional().describe('The header fields.'),
    body: z
      .string()
      .max(1_000_000)
      .default('')
      .describe('The body; text/plain unless the headers say otherwise.'),
  })
  .describe('Answers by itself.');

const weight = z.number().int().min(0).max(1_000_000);

const split = z
  .record(poolName, weight)
  .refine(weights => Object.values(weights).some(one => one > 0), 'expected a weight above 0')
  .describe('Pools by their weights; 0: none.');

const sticky = z.union([
  z.strictObject({
    cookie: z
      .string()
      .regex(cookieName, 'is no name of a cookie')
      .describe('The name of a cookie which keeps a client at its share.'),
  }),
  z.strictObject({ hash: z.literal('client').describe('By the address of the client.') }),
]);

const wait = () =>
  duration()
    .refine(ms => ms >= 1, 'expected 1ms or more')
    .optional();

const timeouts = z
  .strictObject({
    connect: wait().describe('Until the connection to the server stands.'),
    response: wait().describe('From the request sent to the response head.'),
    body: wait().describe("Silence within the server's body."),
  })
  .describe('Times that differ from those of pool and config.');

/** What is wrong with the name of a route, in a sentence; undefined: nothing. */
export function routeNameProblem(name: string): string | undefined {
  if (!namePattern.test(name)) return 'expected a name of letters, digits, "_", "." and "-", at most 63';
  return name === 'otherwise' ? 'otherwise is what no route takes; choose another name' : undefined;
}

/** What all routes can say, in code as in JSON. */
const common = {
  name: z
    .string()
    .superRefine((name, context) => {
      const message = routeNameProblem(name);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .describe('Names the route in logs, metrics and scopes.'),
  priority: z
    .number()
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .default(0)
    .describe('Before all else: a route of a higher one is asked first.'),
  pool: poolName.optional().describe('The pool that requests go to.'),
  split: split.optional(),
  sticky: sticky.optional().describe('What keeps a client at its share of `split`; default: nothing.'),
  redirect: redirect.optional(),
  reply: replied.optional(),
  stripPrefix: z
    .string()
    .regex(
      /^(?:\/[A-Za-z0-9._~!$&'()+,=@-]*[A-Za-z0-9_~!$&'()+,=@-])+$/,
      'expected the beginning of a path such as "/api"',
    )
    .optional()
    .describe('A prefix that is taken off the path; the server is told it in `X-Forwarded-Prefix`.'),
  rewrite: template
    .refine(text => /^\/(?!\/)[^#]*$/.test(text), 'expected a path such as "/v2/$1"')
    .optional()
    .describe('The path that the server gets, with captures; the query is kept unless it has one.'),
  upstreamHost: z
    .string()
    .refine(isAuthority, 'expected a host such as "api.internal" or "api.internal:8080"')
    .optional()
    .describe('The `Host` that the server gets.'),
  requestHeaders: headerEdits.optional().describe('Edits of the fields that the server gets.'),
  responseHeaders: headerEdits
    .optional()
    .describe('Edits of the fields that the client gets, in replies and errors too.'),
  timeouts: timeouts.optional(),
  bodyLimit: size()
    .optional()
    .describe('Bytes of a request body, such as `10mb`: over it 413. What `limits.body` says holds besides.'),
  plugins: z
    .array(z.unknown())
    .max(1000)
    .optional()
    .describe('Plugins for the requests of this route: names of `define`, or made in place.'),
};

const { host: _, ...conditions } = plainKeys;

/** A route in JSON or YAML. */
export const routeInText = z.strictObject({
  ...common,
  host: hostInText,
  path: pathInText,
  ...conditions,
  not: matcherSchema.optional().describe('Does not match.'),
  any: z.array(matcherSchema).min(1).max(1000).optional().describe('At least one of these matches.'),
});

/** A function of a request, which returns true or false at once. */
export type RouteCondition = (ctx: ProxyContext) => boolean;

/** A matcher that stands in a route; `compileMatcher` says what is wrong with it. */
const matcherInCode = z
  .custom<MatcherOptions>(value => typeof value === 'object' && value !== null)
  .superRefine((matcher, context) => {
    try {
      compileMatcher(matcher);
    } catch (thrown) {
      context.addIssue({
        code: 'custom',
        message: thrown instanceof Error ? thrown.message : String(thrown),
      });
    }
  });

/** What is no plugin after all is said where the plugins are made ready. */
const isListed = (value: unknown): boolean =>
  typeof value === 'string' || (typeof value === 'object' && value !== null);

/** A route in code. */
export const routeInCode = z.strictObject({
  ...common,
  host: hostInCode,
  path: pathInCode,
  ...conditions,
  not: matcherInCode.optional(),
  any: z.array(matcherInCode).min(1).max(1000).optional(),
  plugins: z
    .array(z.custom<ListedPlugin>(isListed, 'expected a plugin, or the name of one in define'))
    .max(1000)
    .optional(),
  when: z
    .custom<RouteCondition>(value => typeof value === 'function', 'expected a function of the request')
    .optional(),
});

/** What becomes of what no route takes. */
export const otherwise = z
  .strictObject({
    pool: poolName.optional().describe('The pool that these requests go to.'),
    redirect: redirect.optional(),
    reply: replied.optional(),
  })
  .refine(
    ({ pool, redirect: to, reply }) => [pool, to, reply].filter(end => end !== undefined).length === 1,
    'expected one of pool, redirect and reply',
  )
  .describe('What becomes of requests that no route takes; default: the pool `default`.');

/** A route as people write it, in code. */
export type RouteInput = z.input<typeof routeInCode>;

/** A route with its defaults. */
export type RouteOptions = z.output<typeof routeInCode>;

export type HeaderEdits = z.output<typeof headerEdits>;
export type SplitOptions = Pick<RouteOptions, 'split' | 'sticky'>;
export type RedirectOptions = z.output<typeof redirect>;
export type ReplyOptions = z.output<typeof replied>;
export type OtherwiseOptions = z.output<typeof otherwise>;
