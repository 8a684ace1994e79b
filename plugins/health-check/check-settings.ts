// CheckSettings: the settings of one server's checks: its own over its pool's, those set at run time, the config's and the defaults.
import { z } from 'zod';
import { type HealthCheckSettings, healthCheckSettings } from '../../core/pool/server-definition.ts';

const { shape } = healthCheckSettings;

/** The schema of complete settings; only the port may be undefined, which means the server's own. */
export const completeSettings = z.strictObject({
  enabled: shape.enabled.unwrap().default(true),
  interval: shape.interval.unwrap().prefault('30s'),
  timeout: shape.timeout.unwrap().prefault('5s'),
  path: shape.path.unwrap().default('/'),
  method: shape.method.unwrap().default('GET'),
  grpc: shape.grpc.unwrap().default(false),
  headers: shape.headers.unwrap().default({}),
  port: shape.port,
  expect: shape.expect.unwrap().default(['2xx']),
  initial: shape.initial.unwrap().default('active'),
  failures: shape.failures.unwrap().default(3),
  passes: shape.passes.unwrap().default(2),
});

/** Complete settings; only the port may be undefined. Durations are ms. */
export type CheckSettings = z.output<typeof completeSettings>;

export const defaultSettings: CheckSettings = completeSettings.parse({});

/** Merges settings over others; undefined fields keep those below. */
export function layered(below: CheckSettings, above: HealthCheckSettings | undefined): CheckSettings {
  if (above === undefined) return below;
  const { enabled, interval, timeout, path, method, grpc, headers, port, expect, initial, failures, passes } =
    above;
  return {
    enabled: enabled ?? below.enabled,
    interval: interval ?? below.interval,
    timeout: timeout ?? below.timeout,
    path: path ?? below.path,
    method: method ?? below.method,
    grpc: grpc ?? below.grpc,
    headers: headers ?? below.headers,
    port: port ?? below.port,
    expect: expect ?? below.expect,
    initial: initial ?? below.initial,
    failures: failures ?? below.failures,
    passes: passes ?? below.passes,
  };
}

/** Returns whether this status passes. `expect` holds codes, ranges such as `"200-299"` and classes such as `"2xx"`. */
export function isExpected(status: number, expect: CheckSettings['expect']): boolean {
  return expect.some(wanted => {
    if (typeof wanted === 'number') return status === wanted;
    if (wanted.endsWith('xx')) return Math.floor(status / 100) === Number(wanted[0]);
    const [from = '', to = from] = wanted.split('-');
    return status >= Number(from) && status <= Number(to);
  });
}
