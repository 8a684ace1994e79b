// The settings of one server's checks: its own over those of run time, over the config's, over the defaults.
import type { HealthCheckSettings } from '../../core/pool/server-definition.ts';

type Given = { readonly [K in keyof HealthCheckSettings]-?: NonNullable<HealthCheckSettings[K]> };

/** Settings with nothing left open but the port, which is the server's own when undefined. Durations are ms. */
export interface CheckSettings extends Omit<Given, 'port'> {
  readonly port: number | undefined;
}

export const defaultSettings: CheckSettings = {
  enabled: true,
  interval: 30_000,
  timeout: 5_000,
  path: '/',
  method: 'GET',
  headers: {},
  port: undefined,
  expect: ['2xx'],
  failures: 3,
  passes: 2,
};

/** Lays settings over others; what is undefined shows the ones below. */
export function layered(below: CheckSettings, above: HealthCheckSettings | undefined): CheckSettings {
  if (above === undefined) return below;
  const { enabled, interval, timeout, path, method, headers, port, expect, failures, passes } = above;
  return {
    enabled: enabled ?? below.enabled,
    interval: interval ?? below.interval,
    timeout: timeout ?? below.timeout,
    path: path ?? below.path,
    method: method ?? below.method,
    headers: headers ?? below.headers,
    port: port ?? below.port,
    expect: expect ?? below.expect,
    failures: failures ?? below.failures,
    passes: passes ?? below.passes,
  };
}

/** Is this status one of those that pass: codes, ranges such as `"200-299"`, classes such as `"2xx"`? */
export function isExpected(status: number, expect: CheckSettings['expect']): boolean {
  return expect.some(wanted => {
    if (typeof wanted === 'number') return status === wanted;
    if (wanted.endsWith('xx')) return Math.floor(status / 100) === Number(wanted[0]);
    const [from = '', to = from] = wanted.split('-');
    return status >= Number(from) && status <= Number(to);
  });
}
