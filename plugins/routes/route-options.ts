// RouteOptions: a route as written in a config: conditions, and what becomes of the requests that meet them.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes

import { z } from 'zod';
import { isAuthority } from '../../core/grammar/request-line.ts';
import { cookieName } from '../../core/grammar/token.ts';
import { duration, size } from '../../core/options/duration.ts';
import type { ListedPlugin } from '../../core/plugin/plugin.ts';
import { namePattern } from '../../core/pool/pool-name.ts';
import { compileMatcher } from '../../core/request/compiled-matcher.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { hopByHop, isFieldValue, isToken } from '../../core/request/headers.ts';
import { type MatcherOptions, matcherSchema, plainKeys } from '../../core/request/matcher.ts';
import { hostInCode, hostInText, pathInCode, pathInText } from './patterns.ts';
import { redirectTargetProblem } from './redirect.ts';
import { templateProblem } from './template.ts';

const poolName = z.string().regex(namePattern, 'expected the name of a pool');

/** Returns why a field cannot be edited; undefined: it can. */
function fieldNameProblem(name: string): string | undefined {
  if (!isToken(name)) return `${JSON.stringify(name)} is not a field name: use letters, digits and -`;
  const key = name.toLowerCase();
  if (hopByHop.has(key) || key === 'content-length')
    return `${name} belongs to the connection and is written by Weldr`;
  return key === 'host' ? 'Host is set by upstreamHost' : undefined;
}

const fieldName = z.string().superRefine((name, context) => {
  const message = fieldNameProblem(name);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const fieldValue = z.string().refine(isFieldValue, 'has a character that is not allowed in a header');

const fieldValues = z.record(z.string(), fieldValue).superRefine((fields, context) => {
  for (const name of Object.keys(fields)) {
    const message = fieldNameProblem(name);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  }
});

const headerEdits = z.strictObject({
  set: fieldValues
    .optional()
    .describe('Fields to set, with their values; those of the same name are replaced.'),
  add: fieldValues.optional().describe('Fields to add, with their values.'),
  remove: z.array(fieldName).max(100).optional().describe('Names of fields to remove.'),
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
        'The target: `https://shop.example/$1`, or a path. `$1` is what `*` matched, `${id}` what `:id` matched.',
      ),
    status: z
      .union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)])
      .default(302)
      .describe('Browsers cache 301 and 308; 307 and 308 keep method and body.'),
  })
  .describe('Redirects the client. The query is kept unless `to` has one.');

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
  .describe('A fixed reply.');

const weight = z.number().int().min(0).max(1_000_000);

const split = z
  .record(poolName, weight)
  .refine(weights => Object.values(weights).some(one => one > 0), 'expected a weight above 0')
  .describe('Weights by pool; 0: no requests.');

const sticky = z.union([
  z.strictObject({
    cookie: z
      .string()
      .regex(cookieName, 'is not a cookie name')
      .describe('The name of a cookie that keeps a client with its share.'),
  }),
  z.strictObject({ hash: z.literal('client').describe('By the address of the client.') }),
]);

const wait = () =>
  duration()
    .refine(ms => ms >= 1, 'expected 1ms or more')
    .optional();

const timeouts = z
  .strictObject({
    connect: wait().describe('The time until the connection to the server is open.'),
    response: wait().describe('The time from the request sent to the response head.'),
    body: wait().describe("The longest pause within the server's body."),
  })
  .describe('Timeouts that differ from those of pool and config.');

/** Returns what is wrong with the name of a route; undefined: nothing. */
export function routeNameProblem(name: string): string | undefined {
  if (!namePattern.test(name)) return 'expected a name of letters, digits, "_", "." and "-", at most 63';
  return name === 'otherwise'
    ? '"otherwise" is reserved for requests that no route takes; choose another name'
    : undefined;
}

/** Options of routes in code and in JSON. */
const common = {
  name: z
    .string()
    .superRefine((name, context) => {
      const message = routeNameProblem(name);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .describe('The name of the route in logs, metrics and scopes.'),
  priority: z
    .number()
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .default(0)
    .describe('Routes with a higher priority are tried first, before all other criteria.'),
  pool: poolName.optional().describe('The pool that requests go to.'),
  split: split.optional(),
  sticky: sticky.optional().describe('What keeps a client with its share of `split`; default: nothing.'),
  redirect: redirect.optional(),
  reply: replied.optional(),
  stripPrefix: z
    .string()
    .regex(
      /^(?:\/[A-Za-z0-9._~!$&'()+,=@-]*[A-Za-z0-9_~!$&'()+,=@-])+$/,
      'expected the start of a path such as "/api"',
    )
    .optional()
    .describe('A prefix that is removed from the path, and sent in `X-Forwarded-Prefix`.'),
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
    .describe('Edits of the fields that the client gets, also in replies and errors.'),
  timeouts: timeouts.optional(),
  bodyLimit: size()
    .optional()
    .describe(
      'The longest request body, such as `10mb`; longer ones are answered 413. `limits.body` applies as well.',
    ),
  plugins: z
    .array(z.unknown())
    .max(1000)
    .optional()
    .describe('Plugins for the requests of this route: names of `define`, or inline.'),
};

const { host: _, ...conditions } = plainKeys;

/** A route in JSON or YAML. */
export const routeInText = z.strictObject({
  ...common,
  host: hostInText,
  path: pathInText,
  ...conditions,
  not: matcherSchema.optional().describe('A matcher that must not match.'),
  any: z.array(matcherSchema).min(1).max(1000).optional().describe('Matchers, one of which must match.'),
});

/** A function of a request that returns true or false synchronously. */
export type RouteCondition = (ctx: ProxyContext) => boolean;

/** A matcher in a route; `compileMatcher` reports what is wrong with it. */
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

/** Anything that is not a plugin is reported when the plugins are prepared. */
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

/** The target of requests that no route takes. */
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
  .describe('Where requests that no route takes go; default: the pool `default`.');

/** A route as written in code. */
export type RouteInput = z.input<typeof routeInCode>;

/** A route with its defaults. */
export type RouteOptions = z.output<typeof routeInCode>;

export type HeaderEdits = z.output<typeof headerEdits>;
export type SplitOptions = Pick<RouteOptions, 'split' | 'sticky'>;
export type RedirectOptions = z.output<typeof redirect>;
export type ReplyOptions = z.output<typeof replied>;
export type OtherwiseOptions = z.output<typeof otherwise>;
