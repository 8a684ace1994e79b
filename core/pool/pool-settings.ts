// PoolSettings: the settings of a pool as a whole, by the config or an operator, and their kind.
import { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { duration } from '../options/duration.ts';
import type { Kind } from '../state/entity.ts';
import { expectObject, parseKnown, parseObject } from '../state/known-fields.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import { isPoolName } from './pool-name.ts';
import { healthCheckSettings, hostSetting, http2Setting, proxyProtocolSetting } from './server-definition.ts';
import { upstreamTls } from './upstream-tls.ts';

/** The most plugins that a list may name. */
const maxPlugins = 50;

/** A list of names of the config's `define`. */
export const pluginNames = z.array(z.string().min(1).max(100)).max(maxPlugins);

/** The schema; a pool of the config also has servers and plugins. */
export const poolSettings = z.strictObject({
  fallback: z.string().optional().describe("The pool to use when none of this one's servers is available."),
  healthCheck: healthCheckSettings
    .optional()
    .describe('How its servers are checked, where that differs from the plugin healthCheck.'),
  timeouts: z
    .strictObject({
      connect: duration().optional().describe('Until the connection (and its TLS) is established.'),
      response: duration().optional().describe('From sending the request to the response head.'),
      body: duration().optional().describe('Silence within the body of a response.'),
    })
    .optional()
    .describe("Timeouts with its servers, where they differ from the config's `timeouts`."),
  limits: z
    .strictObject({
      upstreamConnections: z.number().int().min(1).optional().describe('Connections to one server.'),
      upstreamQueue: z.number().int().min(0).optional().describe('Requests that may wait for a connection.'),
      upstreamQueueTimeout: duration().optional().describe('How long a request may wait there.'),
    })
    .optional()
    .describe("Limits of one worker, where they differ from the config's `limits`."),
  zonePreference: z
    .union([
      z.boolean(),
      z.strictObject({
        threshold: z
          .number()
          .min(0.01)
          .max(1)
          .describe('The share of the zone’s servers that must be active for it to take all requests.'),
      }),
    ])
    .optional()
    .describe(
      'Whether the servers of this Weldr’s own `zone` get its requests. Default: true; where fewer than a threshold of 0.7 of them are active, those of other zones get a part.',
    ),
  subset: z
    .strictObject({
      size: z.number().int().min(1).max(50_000).describe('How many servers, preferably 20 or more.'),
    })
    .optional()
    .describe('Each Weldr uses only so many servers of each zone; `member` decides which.'),
  host: hostSetting
    .optional()
    .describe('What `Host` says in requests to its servers; the setting of a server wins.'),
  proxyProtocol: proxyProtocolSetting.optional(),
  tls: upstreamTls.optional().describe('For its https:// servers; the setting of a server wins.'),
  http2: http2Setting.optional(),
  plugins: pluginNames
    .optional()
    .describe(
      "Names of the config's `define`: the plugins of this pool that change at run time, in their order.",
    ),
});

/** As parsed: durations in ms. */
export type PoolSettings = z.output<typeof poolSettings>;

/** The settings of a pool that none were given for. */
export const noPoolSettings: PoolSettings = Object.freeze({});

/** The name of the kind. */
export const poolKindName = 'pool';

const fields: ReadonlySet<string> = new Set(Object.keys(poolSettings.shape));

/** Pools as a kind of the state that changes at run time: by name. */
export const poolKind: Kind = {
  name: poolKindName,
  identity: [],
  secret: ['tls'],
  isKey: isPoolName,
  knows: field => fields.has(field),
  describe: key => `pool ${key}; GET /pools lists them`,
  lifetime: () => undefined,
  parse: (key, value) => ofName(key, parseObject(poolSettings, value)),
  read: (key, value, ignored) => ofName(key, expectObject(parseKnown(poolSettings, value, ignored))),
};

function ofName(name: string, value: JsonObject): JsonObject {
  if (isPoolName(name)) return value;
  throw new WeldrError(
    'INPUT_INVALID',
    `name: ${JSON.stringify(name)} cannot name a pool: expected letters, digits, "_", "." and "-", at most 63`,
    { field: 'name' },
  );
}

/** An entity of this kind as settings: the kind has checked it. */
export const poolSettingsOf = (value: JsonObject): PoolSettings => value as PoolSettings;
