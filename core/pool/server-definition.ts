// ServerDefinition: a server as the config or the admin API names it, and its schema.
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { hopByHop, isFieldValue, isToken } from '../grammar/field-value.ts';
import { isAuthority } from '../grammar/request-line.ts';
import { duration } from '../options/duration.ts';
import { parseServerAddress } from './server-address.ts';
import { upstreamTls } from './upstream-tls.ts';

/** Statuses that pass a health check: codes and ranges, such as `[200, "301-308", "2xx"]`. */
const expectedStatus = z.union([
  z.number().int().min(100).max(599),
  z.string().regex(/^([1-5]xx|[1-5]\d\d(-[1-5]\d\d)?)$/, 'expected a status such as 200, "2xx" or "200-299"'),
]);

/** Headers that a check cannot be given: they say how the connection and the body are framed. */
const ownedHeaders: ReadonlySet<string> = new Set([...hopByHop, 'content-length', 'expect', 'trailer']);

/** The most characters of a service's name. */
const maxService = 200;

/** Settings of active health checks; all optional, the health-check plugin's defaults fill the rest. */
export const healthCheckSettings = z.strictObject({
  enabled: z.boolean().describe('Whether it is checked.').optional(),
  interval: duration()
    .refine(ms => ms >= 10, 'an interval is at least 10ms')
    .describe('From one check to the next.')
    .optional(),
  timeout: duration()
    .refine(ms => ms >= 1, 'a timeout is at least 1ms')
    .describe('How long a check may take.')
    .optional(),
  path: z
    .string()
    .max(2048)
    .regex(/^\/[\x21-\x7e]*$/, {
      error: ({ input }) =>
        `expected a path that begins with / and has no spaces, such as "/up", got ${JSON.stringify(input)}`,
    })
    .describe('The path that is requested.')
    .optional(),
  method: z.enum(['GET', 'HEAD', 'OPTIONS']).describe('The method of the check.').optional(),
  grpc: z
    .union([
      z.boolean(),
      z.strictObject({
        service: z.string().min(1).max(maxService).describe('The service whose health is asked for.'),
      }),
    ])
    .meta({
      description:
        'Use the gRPC health protocol instead: `true`, for the whole server; or for one of its services.',
      examples: [true, { service: 'shop.v1.Orders' }],
    })
    .optional(),
  headers: z
    .record(
      z
        .string()
        .refine(isToken, 'not a header name')
        .refine(name => !ownedHeaders.has(name.toLowerCase()), 'this header is set by the connection'),
      z.string().max(4096).refine(isFieldValue, 'not a header value'),
    )
    .describe('Header fields that the check sends, by name.')
    .optional(),
  port: z
    .number()
    .int()
    .min(1)
    .max(65535)
    .describe("Port to check when it is not the server's own.")
    .optional(),
  expect: z
    .array(expectedStatus)
    .min(1)
    .max(20)
    .meta({
      description: 'Statuses that pass: codes, classes and ranges.',
      examples: [['2xx', 301, '400-404']],
    })
    .optional(),
  initial: z
    .enum(['active', 'check'])
    .describe(
      'Whether a new server gets requests before its first check (`active`) or only after it has passed one (`check`).',
    )
    .optional(),
  failures: z.number().int().min(1).max(1000).describe('Consecutive failures that mark it down.').optional(),
  passes: z
    .number()
    .int()
    .min(1)
    .max(1000)
    .describe('Consecutive passes that mark it active again.')
    .optional(),
});

/** Settings of active health checks as parsed: durations in ms. */
export type HealthCheckSettings = z.output<typeof healthCheckSettings>;

const maxLabels = 20;

/** Facts about a server by name, such as its zone or version. */
const labels = z
  .record(
    z
      .string()
      .regex(
        /^[A-Za-z][A-Za-z0-9_.-]{0,62}$/,
        'expected letters, digits, "_", "." and "-", a letter first, at most 63',
      ),
    z.string().max(200),
  )
  .refine(all => Object.keys(all).length <= maxLabels, `a server has at most ${maxLabels} labels`);

/** The name of a place where servers and Weldrs are, such as `eu-west-1a`. */
export const zoneName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
    'expected a zone such as eu-west-1a: letters, digits, "_", "." and "-", at most 63',
  );

/** What `Host` says in requests to a server: the client's, the server's own name, or another. */
export const hostSetting = z
  .string()
  .refine(isAuthority, "expected 'client', 'upstream' or a host name")
  .meta({
    description:
      "What `Host` says: `client`, what the client sent; `upstream`, the host and port of the server's URL; otherwise this name. Default: the pool's setting, otherwise `client`.",
    examples: ['client', 'upstream', 'shop.example'],
  });

/** Whether HTTP/2 is spoken to a server. */
export const http2Setting = z.boolean().meta({
  description:
    "When HTTP/2 is used. `true`: always, over TLS and without it; `false`: never. Default: the pool's setting; otherwise over TLS what the server chooses, and HTTP/1.1 without TLS.",
});

/** Whether a server learns about the client by the PROXY protocol, and by which version of it. */
export const proxyProtocolSetting = z
  .enum(['v1', 'v2'])
  .describe(
    'Connections begin with a PROXY header of this version, which names the client; each then serves only one client connection.',
  );

/** A server as the config or `POST /servers` gives it. */
export const serverDefinition = z
  .strictObject({
    url: z
      .string()
      .max(2048)
      .meta({
        description:
          'http://, https:// or h2c:// (HTTP/2 without TLS), a host, and a port if it is not 80 or 443; or unix: and a path.',
        pattern: '^\\s*([Hh][Tt][Tt][Pp][Ss]?://|[Hh]2[Cc]://|unix:/)',
        examples: ['http://10.0.0.7:3000', 'h2c://10.0.0.7:50051', 'unix:/run/app.sock'],
      })
      .transform(toIdentity),
    weight: z
      .number()
      .int()
      .min(
        1,
        'a weight is at least 1; a server that is to get no new requests has state "draining" or "disabled"',
      )
      .max(1000)
      .default(1)
      .describe('Its share of the requests, relative to the other servers.'),
    backup: z
      .boolean()
      .optional()
      .describe('Whether it gets requests only while no other server of its pool is active.'),
    maxConnections: z
      .number()
      .int()
      .min(1, 'at least 1; a server that is to get no new requests has state "draining" or "disabled"')
      .max(1_000_000)
      .optional()
      .describe(
        "Connections to it (over HTTP/2: requests) at once, of all workers together. Default: the pool's `limits.upstreamConnections`, of each worker.",
      ),
    zone: zoneName.optional().describe('Where it is: Weldrs of the same `zone` prefer it.'),
    host: hostSetting.optional(),
    labels: labels.optional().describe('Facts for plugins that choose among servers: `{ "version": "2" }`.'),
    healthCheck: healthCheckSettings
      .optional()
      .describe('How it is checked, where that differs from the plugin healthCheck.'),
    tls: upstreamTls.optional().describe('For https:// servers.'),
    http2: http2Setting.optional(),
    proxyProtocol: proxyProtocolSetting.optional(),
    state: z
      .enum(['active', 'draining', 'disabled'])
      .default('active')
      .describe('The state that an operator wants; health is judged separately.'),
    ttl: duration()
      .refine(ms => ms >= 1000, 'a ttl is at least 1s')
      .optional()
      .describe('It leaves automatically unless it is registered again within this time.'),
  })
  .refine(s => s.tls === undefined || s.url.startsWith('https:'), {
    path: ['tls'],
    message: 'tls is for https:// URLs',
  })
  .refine(s => s.http2 !== false || !s.url.startsWith('h2c:'), {
    path: ['http2'],
    message: 'h2c:// is HTTP/2; write http:// for HTTP/1.1',
  })
  .refine(s => s.proxyProtocol === undefined || (s.http2 !== true && !s.url.startsWith('h2c:')), {
    path: ['proxyProtocol'],
    message: 'needs HTTP/1.1: an HTTP/2 connection carries requests of many clients; leave one of them out',
  })
  .refine(s => s.healthCheck?.port === undefined || !s.url.startsWith('unix:'), {
    path: ['healthCheck', 'port'],
    message: 'a unix socket has no port; leave it out',
  });

/** A server's definition, parsed: `url` is the identity, durations are ms. */
export type ServerDefinition = z.output<typeof serverDefinition>;
/** What people write: a URL, or an object with settings. */
export type ServerInput = string | z.input<typeof serverDefinition>;

function toIdentity(text: string, context: z.RefinementCtx): string {
  try {
    return parseServerAddress(text).id;
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    context.addIssue({ code: 'custom', message: thrown.message });
    return z.NEVER;
  }
}
