// cors: tells browsers which pages of other origins may send requests, and answers their preflights.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { type HeaderList, isToken } from '../../core/request/headers.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { varyBy } from '../../core/request/vary.ts';
import { anyOrigin, nullOrigin, OriginList, originProblem } from './origin-list.ts';

/** Turns a regular expression in code into the text between slashes that JSON uses. */
const origin = z.preprocess(
  value => (value instanceof RegExp ? `/${value.source}/${value.ignoreCase ? 'i' : ''}` : value),
  z.string().refine(text => originProblem(text) === undefined, {
    error: ({ input }) => originProblem(String(input)) ?? '',
  }),
) as z.ZodType<string, string | RegExp>;

const token = z.string().refine(isToken, 'is not a valid name: use letters, digits and -');

const options = z
  .strictObject({
    origins: z
      .array(origin)
      .min(1)
      .max(1000)
      .describe(
        'The origins whose pages may send requests: `https://a.example`, `https://*.a.example`, `/regular expression/` for the whole of it, `null`, or `*`.',
      ),
    methods: z
      .array(token)
      .max(100)
      .default(['GET', 'HEAD', 'POST'])
      .describe('Methods that they may use; case-sensitive: PATCH, not patch.'),
    headers: z
      .union([z.array(token).max(256), z.literal('*')])
      .default([])
      .describe('Fields that they may send besides those that any page may; `*`: all.'),
    credentials: z
      .boolean()
      .default(false)
      .describe('Whether their requests may carry cookies and Authorization.'),
    exposeHeaders: z.array(token).max(256).default([]).describe('Fields of responses that they may read.'),
    maxAge: duration().prefault('10m').describe('How long browsers keep the answer to a preflight.'),
    privateNetwork: z
      .boolean()
      .default(false)
      .describe('Whether pages from the internet may send requests into this private network.'),
  })
  .superRefine(({ origins, credentials }, context) => {
    if (!credentials) return;
    for (const [at, text] of origins.entries()) {
      if (text !== anyOrigin && text !== nullOrigin) continue;
      context.addIssue({
        code: 'custom',
        path: ['origins', at],
        message: `"${text}" with credentials would let every site act as its visitors: name the origins`,
      });
    }
  })
  .describe('Lets pages of other origins send requests (CORS), and answers preflights.');

/** The options of `cors`, as written in a config. */
export type CorsOptions = z.input<typeof options>;

type Parsed = z.output<typeof options>;

/** Fields that are replaced in responses of servers. */
const ofServers = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-private-network',
  'access-control-max-age',
];

const refusal = reply(403, '403 this origin is not allowed\n');

/**
 * Handles CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): `cors({ origins: ['https://shop.example'], credentials:
 * true })`. Put it before plugins that require credentials: a preflight has none.
 */
export const cors = definePlugin({
  name: 'cors',
  schema: options,
  worker({ hooks }, parsed) {
    const origins = new OriginList(parsed.origins);
    const plain = preflightFields(parsed);
    const readable = parsed.exposeHeaders.join(', ');
    hooks.request.tap('cors', ctx => {
      if (!isPreflight(ctx)) return undefined;
      if (originOf(ctx, origins) === undefined) return refusal;
      return preflightReply(ctx, parsed, plain);
    });
    hooks.respond.tap('cors', ctx => {
      const { response } = ctx;
      if (response === undefined) return;
      const { headers, source } = response;
      if (source === 'upstream') for (const name of ofServers) headers.delete(name);
      if (!origins.takesAny) varyBy(headers, 'Origin');
      // With `*`, even without an Origin: a cache may give this response to a page of any origin.
      const allowed = origins.takesAny ? anyOrigin : originOf(ctx, origins);
      if (allowed === undefined) return;
      headers.set('Access-Control-Allow-Origin', allowed);
      if (parsed.credentials) headers.set('Access-Control-Allow-Credentials', 'true');
      if (readable !== '' && !isPreflight(ctx)) headers.set('Access-Control-Expose-Headers', readable);
    });
  },
});

function isPreflight({ request: { method, headers } }: ProxyContext): boolean {
  return method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method');
}

/** Returns the origin of a request, if it is allowed. */
function originOf({ request: { headers } }: ProxyContext, origins: OriginList): string | undefined {
  const [origin, ...others] = headers.getAll('origin');
  return origin !== undefined && others.length === 0 && origins.has(origin) ? origin : undefined;
}

type Fields = readonly (readonly [name: string, value: string])[];

/** The fields of every answer to a preflight. */
function preflightFields({ methods, headers, maxAge }: Parsed): Fields {
  const fields: [string, string][] = [['Access-Control-Max-Age', String(Math.floor(maxAge / 1000))]];
  if (methods.length > 0) fields.push(['Access-Control-Allow-Methods', methods.join(', ')]);
  if (headers !== '*' && headers.length > 0)
    fields.push(['Access-Control-Allow-Headers', headers.join(', ')]);
  return fields;
}

function preflightReply(ctx: ProxyContext, { headers, privateNetwork }: Parsed, plain: Fields): Reply {
  const asked = ctx.request.headers;
  const fields = [...plain];
  if (headers === '*') {
    const names = namesIn(asked);
    if (names !== '') fields.push(['Access-Control-Allow-Headers', names]);
    fields.push(['Vary', 'Access-Control-Request-Headers']);
  }
  if (privateNetwork && asked.get('access-control-request-private-network') === 'true')
    fields.push(['Access-Control-Allow-Private-Network', 'true']);
  return reply(204, '', fields);
}

/** The names that a preflight asks for. Answering `*` would not cover Authorization, nor requests with credentials. */
function namesIn(asked: HeaderList): string {
  const names = asked.getAll('access-control-request-headers').join(',').split(',', 256);
  return names
    .map(name => name.trim())
    .filter(isToken)
    .join(', ');
}
