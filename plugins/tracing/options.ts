// The options of tracing: which requests are recorded, where spans are sent, and the environment variables that can set this, too.
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { peer } from '../../core/network/network.ts';
import { duration } from '../../core/options/duration.ts';
import { secret } from '../../core/options/secret.ts';
import { isFieldValue, isToken } from '../../core/request/headers.ts';

const attribute = z.union(
  [z.string().max(4096), z.number(), z.boolean()],
  'expected a text, a number or true or false',
);

const exporter = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'expected a URL such as "http://127.0.0.1:4318/v1/traces"' })
      .refine(
        text => !/[@#]/.test(text),
        'has a user name, a password or a fragment: put credentials into headers',
      )
      .optional()
      .describe(
        'The URL that spans are sent to, path included. Default: from the environment, or `http://localhost:4318/v1/traces`.',
      ),
    headers: z
      .record(
        z.string().refine(isToken, 'is not a field name'),
        secret().refine(isFieldValue, 'has a control character, which is not allowed in a field'),
      )
      .default({})
      .describe('Header fields to send, such as credentials: the value, `env:NAME` or `file:PATH`.'),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .optional()
      .describe('How long to try to send spans. Default: from the environment, or 10s.'),
    interval: duration()
      .refine(ms => ms >= 10 && ms <= 600_000, 'an interval is between 10ms and 10m')
      .prefault('5s')
      .describe('How long spans are collected before they are sent; 512 are sent at once.'),
    queue: z
      .number()
      .int()
      .min(16)
      .max(1_000_000)
      .default(2048)
      .describe('How many spans may wait in each worker; further ones are dropped and counted.'),
  })
  .prefault({})
  .describe('The receiver of spans: OTLP over HTTP, as protobuf.');

/** The schema of the options. */
export const options = z
  .strictObject({
    exporter,
    sample: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('The share of new traces to record; default: from the environment, or 1.'),
    trust: z
      .array(peer)
      .max(10_000)
      .optional()
      .describe(
        'Addresses and networks whose traces are continued, and `unix:`; default: the proxies of `forwarded.trusted`.',
      ),
    serviceName: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('The name of this service; default: from the environment, or `weldr`.'),
    resource: z
      .record(z.string().min(1).max(255), attribute)
      .refine(given => Object.keys(given).length <= 64, 'has over 64 attributes')
      .default({})
      .describe("Attributes of this service, such as `{ 'deployment.environment.name': 'production' }`."),
    query: z
      .boolean()
      .default(false)
      .describe('Whether spans include the query of URLs. Values of secret parameters are shown as `***`.'),
    redact: z
      .union([z.array(z.string().min(1).max(256)).max(256), z.literal('all'), z.literal(false)])
      .default([])
      .describe('With `query`: parameters shown as `***`, besides the known secrets; `all`; `false`: none.'),
  })
  .describe('Makes OpenTelemetry spans of requests and their attempts, and passes the trace on to servers.');

/** The options of `tracing`, as written in a config. */
export type TracingOptions = z.input<typeof options>;

export type ParsedOptions = z.output<typeof options>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Returns whether the environment turns OpenTelemetry off. */
export function isOff({ OTEL_SDK_DISABLED: off, OTEL_TRACES_EXPORTER: exporterName }: Environment): boolean {
  return off?.trim().toLowerCase() === 'true' || exporterName?.trim() === 'none';
}

/** Returns the share of new traces to record. Throws CONFIG_INVALID for an invalid variable. */
export function shareOf({ sample }: ParsedOptions, environment: Environment): number {
  if (sample !== undefined) return sample;
  const name = environment['OTEL_TRACES_SAMPLER']?.trim() ?? '';
  const share = environment['OTEL_TRACES_SAMPLER_ARG']?.trim() ?? '';
  switch (name.replace(/^parentbased_/, '')) {
    case '':
    case 'always_on':
      return 1;
    case 'always_off':
      return 0;
    case 'traceidratio': {
      const number = share === '' ? 1 : Number(share);
      if (number >= 0 && number <= 1) return number;
      throw wrong('OTEL_TRACES_SAMPLER_ARG', `expected a number from 0 to 1, got "${share}"`);
    }
  }
  throw wrong(
    'OTEL_TRACES_SAMPLER',
    `expected always_on, always_off or traceidratio, with or without parentbased_ in front, got "${name}"; or set sample`,
  );
}

/** Throws CONFIG_INVALID for variables that the exporter would silently ignore. */
export function checkEnvironment({ exporter: { url } }: ParsedOptions, environment: Environment): void {
  if (url !== undefined) return;
  for (const name of ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']) {
    const value = environment[name]?.trim() ?? '';
    if (value === '') continue;
    if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
      throw wrong(name, `expected a URL such as "http://127.0.0.1:4318", got "${value}"`);
    }
    return;
  }
}

/** Returns a warning about a likely mistake: a port or a variable for gRPC, which is not supported, or a missing path. */
export function warningOf(
  { exporter: { url } }: ParsedOptions,
  environment: Environment,
): string | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: all } = environment;
  const endpoint = url ?? (own?.trim() || all?.trim());
  if (endpoint !== undefined && URL.canParse(endpoint) && new URL(endpoint).port === '4317') {
    return 'port 4317 is for gRPC; spans are sent over HTTP, which receivers accept at 4318';
  }
  if (url !== undefined && new URL(url).pathname === '/') {
    return `${url} has no path: receivers of OTLP accept spans at /v1/traces`;
  }
  return undefined;
}

function wrong(variable: string, what: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `the variable ${variable}: ${what}`);
}
