// The schema of Traefik's configs, install and routing, as far as docs/from-traefik.md shows them.
import { defaultLoaders } from 'cosmiconfig';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { PeerKind } from './peer-kind.ts';

const middlewares =
  'basicAuth buffering circuitBreaker compress errors forwardAuth headers inFlightReq ipAllowList passTLSClientCert ' +
  'rateLimit redirectRegex replacePathRegex retry stripPrefix';
const kinds = {
  middleware: middlewares.split(' '),
  service: ['failover', 'loadBalancer', 'weighted'],
};
/** An object with exactly one key, out of these. */
const oneOf = (names: readonly string[]) =>
  z
    .record(z.enum(names), z.record(z.string(), z.unknown()).optional())
    .refine(
      value => Object.values(value).filter(Boolean).length === 1,
      `expected one of ${names.join(', ')}`,
    );
const named = <T extends z.ZodType>(value: T) => z.record(z.string(), value).optional();
const part = z.record(z.string(), z.unknown());

const matcher = '!?(Host|Path|PathPrefix|PathRegexp|Header|Method|ClientIP)\\((`[^`]+`(, )?)+\\)';
const whole = z.strictObject({
  entryPoints: named(
    z.strictObject({
      address: z.string().regex(/^:\d+$/),
      http: part.optional(),
      forwardedHeaders: part.optional(),
      proxyProtocol: part.optional(),
    }),
  ),
  certificatesResolvers: named(z.strictObject({ acme: part })),
  api: part.optional(),
  metrics: part.optional(),
  ping: part.optional(),
  http: z
    .strictObject({
      routers: named(
        z.strictObject({
          rule: z.string().regex(new RegExp(`^${matcher}( (&&|\\|\\|) ${matcher})*$`)),
          service: z.string(),
          middlewares: z.array(z.string()).optional(),
          priority: z.number().optional(),
          tls: part.optional(),
        }),
      ),
      services: named(oneOf(kinds.service)),
      middlewares: named(oneOf(kinds.middleware)),
      serversTransports: named(part),
    })
    .optional(),
  tls: z.strictObject({ certificates: z.array(part).optional(), options: named(part) }).optional(),
});

/** The kind of a page whose configs are only checked against the schema: keys, types, rules and references. */
export const traefik: PeerKind = {
  name: 'Traefik',
  check: async config => {
    const { http } = whole.parse(defaultLoaders['.yaml']('traefik.yaml', config));
    for (const { service, middlewares = [] } of Object.values(http?.routers ?? {})) {
      // The page's introduction defines `app`.
      assert.ok(
        service === 'app' || http?.services?.[service] !== undefined,
        `there is no service ${service}`,
      );
      for (const name of middlewares)
        assert.ok(http?.middlewares?.[name] !== undefined, `no middleware ${name}`);
    }
  },
};
