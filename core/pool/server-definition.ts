// ServerDefinition: a server as the config or the admin API names it, and its schema.
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { hopByHop, isFieldValue, isToken } from '../request/headers.ts';
import { duration } from '../settings/duration.ts';
import { parseServerAddress } from './server-address.ts';

/** Statuses that pass a health check: codes and ranges, such as `[200, "301-308", "2xx"]`. */
const expectedStatus = z.union([
  z.number().int().min(100).max(599),
  z.string().regex(/^([1-5]xx|[1-5]\d\d(-[1-5]\d\d)?)$/, 'expected a status such as 200, "2xx" or "200-299"'),
]);

/** Headers that a check cannot be given: they say how the connection and the body are framed. */
const ownedHeaders: ReadonlySet<string> = new Set([...hopByHop, 'content-length', 'expect', 'trailer']);

/** Settings of active health checks; all optional, the health-check plugin's defaults fill the rest. */
export const healthCheckSettings = z.strictObject({
  /** Check at all? */
  enabled: z.boolean().optional(),
  /** From one check to the next. */
  interval: duration()
    .refine(ms => ms >= 10, 'an interval is at least 10ms')
    .optional(),
  timeout: duration()
    .refine(ms => ms >= 1, 'a timeout is at least 1ms')
    .optional(),
  path: z
    .string()
    .max(2048)
    .regex(/^\/[\x21-\x7e]*$/, 'expected a path that begins with / and has no spaces')
    .optional(),
  method: z.enum(['GET', 'HEAD', 'OPTIONS']).optional(),
  headers: z
    .record(
      z
        .string()
        .refine(isToken, 'not a header name')
        .refine(name => !ownedHeaders.has(name.toLowerCase()), 'this header is set by the connection'),
      z.string().max(4096).refine(isFieldValue, 'not a header value'),
    )
    .optional(),
  /** Port to check when it is not the server's own. */
  port: z.number().int().min(1).max(65535).optional(),
  expect: z.array(expectedStatus).min(1).max(20).optional(),
  /** Consecutive failures that mark it down. */
  failures: z.number().int().min(1).max(1000).optional(),
  /** Consecutive passes that mark it active again. */
  passes: z.number().int().min(1).max(1000).optional(),
});

/** Settings of active health checks as parsed: durations in ms. */
export type HealthCheckSettings = z.output<typeof healthCheckSettings>;

const pem = z.string().max(100_000);

/** A server as the config or `POST /servers` gives it. */
export const serverDefinition = z
  .strictObject({
    url: z.string().max(2048).transform(toIdentity),
    weight: z.number().int().min(1).max(1000).default(1),
    mapHost: z.boolean().default(false),
    healthCheck: healthCheckSettings.optional(),
    tls: z
      .strictObject({
        ca: pem.optional(),
        cert: pem.optional(),
        key: pem.optional(),
        servername: z.string().max(253).optional(),
        verify: z.boolean().optional(),
      })
      .optional(),
    /** What an operator wants of it; health is judged apart. */
    state: z.enum(['active', 'draining', 'disabled']).default('active'),
    /** It leaves by itself unless it is registered again within this time. */
    ttl: duration()
      .refine(ms => ms >= 1000, 'a ttl is at least 1s')
      .optional(),
  })
  .refine(s => s.tls === undefined || s.url.startsWith('https:'), {
    path: ['tls'],
    message: 'tls is for https:// URLs',
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
