// Settings: what a config says outside of its plugins, as schema, defaults and parsed type.
import { z } from 'zod';
import { peer } from '../network.ts';
import { type ServerDefinition, type ServerInput, serverDefinition } from '../pool/server-definition.ts';
import { duration, size } from './duration.ts';
import { type ListenInput, listenSchema } from './listen.ts';

/** A server of the config: a URL, or an object; parsed to a ServerDefinition. */
const configServer = z.preprocess(
  input => (typeof input === 'string' ? { url: input } : input),
  serverDefinition,
);

const timeouts = z.strictObject({
  /** To an upstream: until the connection (and its TLS) stands. */
  connect: duration().default(5_000),
  /** From the request sent to the response head. */
  response: duration().default(60_000),
  /** Silence within a body, towards either side. */
  body: duration().default(60_000),
  /** From the first byte of a client's request head to its last. */
  header: duration().default(15_000),
  /** A client's connection without a request. */
  idle: duration().default(75_000),
  /** An upstream's connection without a request; a shorter `Keep-Alive: timeout` of the upstream wins. */
  upstreamIdle: duration().default(4_000),
  /** Silence in an upgraded connection. */
  tunnel: duration().default(3_600_000),
  /** A client that closed its sending side and waits: longer than this and it counts as gone. */
  halfClosed: duration().default(1_000),
  /** One stage of a request, when a plugin works asynchronously. */
  stage: duration().default(30_000),
});

const limits = z.strictObject({
  /** Bytes of a request line: over it 414. */
  requestLine: size().default(8 * 1024),
  /** Bytes of a header section, of a request (over it 431) or a response (502). */
  headers: size().default(32 * 1024),
  /** Field lines of a header section, same answers. */
  headerCount: z.number().int().min(8).max(10_000).default(200),
  /** Bytes of a request body: over it 413; undefined: no limit. */
  body: size().optional(),
  /** Bytes a second that a client's body must at least keep up, over `timeouts.body`. */
  bodyRate: size().default(100),
  /** Client connections of one worker. */
  connections: z.number().int().min(1).default(20_000),
  /** Client connections of one worker from one address; all of unix sockets together are one. undefined: no limit. */
  connectionsPerAddress: z.number().int().min(1).optional(),
  /** Connections of one worker to one upstream. */
  upstreamConnections: z.number().int().min(1).default(1_000),
  /** Requests that may wait for a connection to one upstream. */
  upstreamQueue: z.number().int().min(0).default(1_000),
  /** How long one may wait there. */
  upstreamQueueTimeout: duration().default(5_000),
});

const forwarded = z.strictObject({
  /**
   * Addresses of proxies in front of this one, whose X-Forwarded-* is believed; `unix:` are all who connect to a unix
   * socket.
   */
  trusted: z.array(peer).max(1000).default([]),
  /**
   * `append`: add the client's address to what trusted proxies sent, drop what others sent; `preserve`: pass on
   * what came, add nothing; `remove`: pass on nothing.
   */
  mode: z.enum(['append', 'preserve', 'remove']).default('append'),
  /** Send `Forwarded` (RFC 7239) as well. */
  rfc7239: z.boolean().default(false),
});

/** A pool of the config; its `plugins` are checked apart. */
const configPool = z.preprocess(
  input => (Array.isArray(input) ? { servers: input } : input),
  z.strictObject({
    servers: z.array(configServer).max(50_000).default([]),
    /** The pool that is asked when none of this one's servers can be had. */
    fallback: z.string().optional(),
  }),
);

/** The schema of everything in a config but its plugins. Unknown keys are errors. */
export const settingsSchema = z.strictObject({
  /** Where clients connect to; an address or `{ address, … }`, or several. */
  listen: listenSchema.prefault('0.0.0.0:8080'),
  /** Processes that proxy; `auto`: one for each core that may be used; 0: the manager's process does it. */
  workers: z.union([z.literal('auto'), z.number().int().min(0).max(512)]).default('auto'),
  servers: z.array(configServer).max(50_000).default([]),
  /** More pools by name, for routes and fallbacks: a list of servers, or an object. */
  pools: z.record(z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/i), configPool).default({}),
  timeouts: timeouts.prefault({}),
  limits: limits.prefault({}),
  forwarded: forwarded.prefault({}),
  /** Proxy TRACE; refused with 405 when false. */
  trace: z.boolean().default(false),
  /** The name in `Via`. */
  via: z
    .string()
    .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'expected a name without spaces')
    .default('weldr'),
  /** The longest that requests in flight are waited for, at the stop, at a reload and when a server is removed. */
  drainTimeout: duration().default(30_000),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** Settings as parsed: durations in ms, sizes in bytes, defaults filled in. */
export type Settings = z.output<typeof settingsSchema>;
/** The servers of each pool; `default` is always there. */
export function serversOf(settings: Settings): Record<string, readonly ServerDefinition[]> {
  const named = Object.entries(settings.pools).map(([name, { servers }]) => [name, servers] as const);
  const pools = Object.fromEntries(named);
  return { ...pools, default: settings.servers.length > 0 ? settings.servers : (pools['default'] ?? []) };
}

/** Settings as people write them. */
export type SettingsInput = Omit<z.input<typeof settingsSchema>, 'listen' | 'servers' | 'pools'> & {
  listen?: ListenInput | ListenInput[];
  servers?: ServerInput[];
};

/** A pool of the config as people write it, but for its plugins. */
export interface PoolInput {
  servers?: ServerInput[];
  fallback?: string;
}

/** What flags and environment variables say over the config. Plain JSON: workers get it too. */
export interface Overrides {
  readonly listen?: string[];
  readonly workers?: number | 'auto';
  readonly logLevel?: Settings['logLevel'];
  /** The address of the admin API, for the plugin that serves it. */
  readonly adminListen?: string;
  /** The bearer token of the admin API, for the plugin that serves it. */
  readonly adminToken?: string;
}
