// Settings: everything in a config except its plugins, as schema, defaults and parsed type.

import { z } from 'zod';
import { token } from '../grammar/token.ts';
import { peer } from '../network/network.ts';
import { duration, size } from '../options/duration.ts';
import { showInput } from '../options/options.ts';
import { type PoolSettings, poolSettings } from '../pool/pool-settings.ts';
import {
  type ServerDefinition,
  type ServerInput,
  serverDefinition,
  zoneName,
} from '../pool/server-definition.ts';
import { type ListenInput, listenSchema } from './listen.ts';

/** A server of the config: a URL, or an object; parsed to a ServerDefinition. */
const configServer = z
  .preprocess(input => (typeof input === 'string' ? { url: input } : input), serverDefinition)
  .meta({ id: 'server', shorterAs: 'url' });

const timeouts = z.strictObject({
  connect: duration()
    .prefault('5s')
    .describe('To an upstream: until the connection (and its TLS) is established.'),
  response: duration().prefault('60s').describe('From sending the request to the response head.'),
  body: duration().prefault('60s').describe('Silence within a body, towards either side.'),
  header: duration().prefault('15s').describe("From the first byte of a client's request head to its last."),
  idle: duration().prefault('75s').describe("A client's connection without a request."),
  upstreamIdle: duration()
    .prefault('4s')
    .describe(
      "An upstream's connection without a request; a shorter `Keep-Alive: timeout` of the upstream wins.",
    ),
  tunnel: duration().prefault('1h').describe('Silence in an upgraded connection.'),
  halfClosed: duration()
    .prefault('1s')
    .describe('How long a client that closed its sending side may wait before it counts as gone.'),
  stage: duration().prefault('30s').describe('One stage of a request, when a plugin works asynchronously.'),
});

const limits = z.strictObject({
  requestLine: size().prefault('8kb').describe('Bytes of a request line; over it: 414.'),
  headers: size()
    .prefault('32kb')
    .describe('Bytes of a header section; over it: 431 for a request, 502 for a response.'),
  headerCount: z
    .number()
    .int()
    .min(8)
    .max(10_000)
    .default(200)
    .describe('Field lines of a header section, with the same statuses.'),
  body: size().optional().describe('Bytes of a request body; over it: 413. Default: no limit.'),
  bodyRate: size()
    .prefault('0b')
    .describe("Bytes a second that a client's body must average over `timeouts.body`; 0: any byte will do."),
  connections: z.number().int().min(1).default(20_000).describe('Client connections of one worker.'),
  connectionsPerAddress: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'Client connections of one worker from one address; an IPv6 /64 counts as one, as do all unix sockets. Default: no limit.',
    ),
  interimResponses: z
    .number()
    .int()
    .min(0)
    .default(10_000)
    .describe('1xx responses of a server before the final one; over it: 502.'),
  upstreamConnections: z
    .number()
    .int()
    .min(1)
    .default(1_000)
    .describe('Connections of one worker to one upstream.'),
  upstreamQueue: z
    .number()
    .int()
    .min(0)
    .default(1_000)
    .describe('Requests that may wait for a connection to one upstream.'),
  upstreamQueueTimeout: duration().prefault('5s').describe('How long a request may wait there.'),
});

const forwarded = z
  .strictObject({
    trusted: z
      .array(peer)
      .max(1000)
      .default([])
      .describe(
        'Addresses of proxies in front of this one, whose X-Forwarded-* is believed; `unix:` for all clients of unix sockets.',
      ),
    mode: z
      .enum(['append', 'preserve', 'remove'])
      .default('append')
      .describe(
        "`append`: add the client's address to what trusted proxies sent, drop what others sent; `preserve`: pass on what was received, add nothing (X-Forwarded-Client-Cert: only from trusted proxies); `remove`: pass on nothing.",
      ),
    rfc7239: z.boolean().default(false).describe('Send `Forwarded` (RFC 7239) as well.'),
    clientCertificate: z
      .union([
        z.boolean(),
        z.strictObject({
          cert: z.boolean().default(false).describe('Also send the certificate itself, as `Cert`.'),
        }),
      ])
      .default(false)
      .describe('Send X-Forwarded-Client-Cert, about the certificate that a client showed (`clientAuth`).'),
  })
  .superRefine(({ clientCertificate, mode }, context) => {
    if (clientCertificate === false || mode === 'append') return;
    context.addIssue({
      code: 'custom',
      path: ['clientCertificate'],
      message: `needs mode: 'append'; '${mode}' adds nothing`,
    });
  });

const pool = z.strictObject({
  servers: z.array(configServer).max(50_000).prefault([]).describe('Permanent servers.'),
  ...poolSettings.shape,
});

const poolName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'expected letters, digits, "_", "." and "-", at most 63');

/** Pools of the config by name, each a list of servers or an object; `more` are keys of these objects. */
export function poolsByName<More extends z.ZodRawShape>(more: More) {
  const listOrPool = z
    .preprocess(input => (Array.isArray(input) ? { servers: input } : input), pool.extend(more))
    .meta({ shorterAs: 'servers' });
  return z
    .record(poolName, listOrPool)
    .prefault({})
    .describe('More pools by name, for routes and fallbacks: a list of servers, or an object.');
}

/** The schema of everything in a config except its plugins. Unknown keys are errors. */
export const settingsSchema = z.strictObject({
  listen: listenSchema
    .prefault('0.0.0.0:8080')
    .describe('Where clients connect to: an address or { address, … }, or several.'),
  workers: z
    .union([z.literal('auto'), z.number().int().min(0).max(512)], {
      error: ({ input }) => `expected a number of processes up to 512, or "auto", got ${showInput(input)}`,
    })
    .default('auto')
    .describe(
      "Processes that proxy; `auto`: one for each core that may be used; 0: the manager's process does it.",
    ),
  servers: z
    .array(configServer)
    .max(50_000)
    .prefault([])
    .describe('Permanent servers of the pool `default`; others come and go at run time.'),
  pools: poolsByName({}),
  timeouts: timeouts.prefault({}).describe('Timeouts.'),
  limits: limits.prefault({}).describe('Limits.'),
  forwarded: forwarded
    .prefault({})
    .describe('What servers learn about the client, in X-Forwarded-* and Forwarded.'),
  trace: z.boolean().default(false).describe('Proxy TRACE; refused with 405 when false.'),
  via: z
    .string()
    .regex(token, 'expected a name without spaces')
    .or(z.literal(false))
    .default('weldr')
    .describe(
      'The name in `Via`; `false`: no `Via` is sent, and a request that comes back to this proxy is not detected.',
    ),
  drainTimeout: duration()
    .prefault('30s')
    .describe(
      'The longest wait for requests in flight, at a stop, at a reload and when a server is removed.',
    ),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Logs this level and those above it.'),
  log: z
    .strictObject({
      file: z
        .string()
        .min(1)
        .max(4096)
        .optional()
        .describe('A file to append to instead of stdout; SIGUSR1 reopens it.'),
    })
    .prefault({})
    .describe('Where the log goes. Not changed by a reload.'),
  zone: zoneName
    .optional()
    .describe('Where this Weldr is: the servers of a pool in the same `zone` get its requests.'),
  member: z
    .number()
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe(
      'Its number among the Weldrs that share the servers of a pool with a `subset`, from 0. Default: by the host name.',
    ),
});

/** Settings as parsed: durations in ms, sizes in bytes, defaults filled in. */
export type Settings = z.output<typeof settingsSchema>;
/** The servers of each pool; `default` is always there. */
export function serversOf(settings: Settings): Record<string, readonly ServerDefinition[]> {
  const named = Object.entries(settings.pools).map(([name, { servers }]) => [name, servers] as const);
  const pools = Object.fromEntries(named);
  return { ...pools, default: settings.servers.length > 0 ? settings.servers : (pools['default'] ?? []) };
}

/** The settings of each pool in the config. */
export function poolSettingsOf(settings: Settings): Record<string, PoolSettings> {
  return Object.fromEntries(
    Object.entries(settings.pools).map(([name, { servers: _, ...rest }]) => [name, rest] as const),
  );
}

/** Settings as people write them. */
export type SettingsInput = Omit<z.input<typeof settingsSchema>, 'listen' | 'servers' | 'pools'> & {
  listen?: ListenInput | ListenInput[];
  servers?: ServerInput[];
};

/** A pool of the config as people write it, without its plugins. */
export interface PoolInput extends z.input<typeof poolSettings> {
  servers?: ServerInput[];
}

/** Overrides by flags and environment variables. Plain JSON: workers get them too. */
export interface Overrides {
  readonly listen?: string[];
  readonly workers?: number | 'auto';
  readonly logLevel?: Settings['logLevel'];
  readonly zone?: string;
  readonly member?: number;
  /** The address of the admin API, for the plugin that serves it. */
  readonly adminListen?: string;
  /** The bearer token of the admin API, for the plugin that serves it. */
  readonly adminToken?: string;
}
