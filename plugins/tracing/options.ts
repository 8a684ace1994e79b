// The options of tracing: which requests are recorded, where spans go, and what of it the environment may say.
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { peer } from '../../core/network/network.ts';
import { isFieldValue, isToken } from '../../core/request/headers.ts';
import { duration } from '../../core/settings/duration.ts';
import { secret } from '../../core/settings/secret.ts';

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
        'has a name, a password or a fragment: put what lets you in into headers',
      )
      .optional()
      .describe(
        'Where spans are sent, the path included. Default: what the environment says, or `http://localhost:4318/v1/traces`.',
      ),
    headers: z
      .record(
        z.string().refine(isToken, 'is no name of a field'),
        secret().refine(isFieldValue, 'has a control character, which no field may have'),
      )
      .default({})
      .describe(
        'Fields that are sent along, such as those that let Weldr in: the value, `env:NAME` or `file:PATH`.',
      ),
    timeout: duration()
      .refine(ms => ms >= 1, 'a timeout is at least 1ms')
      .optional()
      .describe('How long spans are tried to be sent. Default: what the environment says, or 10s.'),
    interval: duration()
      .refine(ms => ms >= 10 && ms <= 600_000, 'an interval is between 10ms and 10m')
      .prefault('5s')
      .describe('How long a span waits for others to be sent with; 512 are sent at once.'),
    queue: z
      .number()
      .int()
      .min(16)
      .max(1_000_000)
      .default(2048)
      .describe('How many spans may wait in each worker; further ones are dropped and counted.'),
  })
  .prefault({})
  .describe('Where spans go: to a receiver of OTLP over HTTP, as protobuf.');

/** The schema of the options. */
export const options = z
  .strictObject({
    exporter,
    sample: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('The share of new traces that is recorded; default: what the environment says, or 1.'),
    trust: z
      .array(peer)
      .max(10_000)
      .optional()
      .describe(
        'Addresses and networks whose traces are gone on with, and `unix:`; default: the proxies of `forwarded.trusted`.',
      ),
    serviceName: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('The name of this service; default: what the environment says, or `weldr`.'),
    resource: z
      .record(z.string().min(1).max(255), attribute)
      .refine(given => Object.keys(given).length <= 64, 'has over 64 attributes')
      .default({})
      .describe("Attributes of this service, such as `{ 'deployment.environment.name': 'production' }`."),
    query: z
      .boolean()
      .default(false)
      .describe('Do spans tell the query of URLs? Values of secret parameters are `***`.'),
    redact: z
      .union([z.array(z.string().min(1).max(256)).max(256), z.literal('all'), z.literal(false)])
      .default([])
      .describe(
        'With `query`: parameters whose values are `***`, beside the known ones; `all`; `false`: none.',
      ),
  })
  .describe('Spans of requests and their attempts, for OpenTelemetry; the trace is passed on to servers.');

/** What `tracing` takes, as people write it. */
export type TracingOptions = z.input<typeof options>;

export type ParsedOptions = z.output<typeof options>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Does the environment turn OpenTelemetry off? */
export function isOff({ OTEL_SDK_DISABLED: off, OTEL_TRACES_EXPORTER: exporterName }: Environment): boolean {
  return off?.trim().toLowerCase() === 'true' || exporterName?.trim() === 'none';
}

/** The share of new traces that is recorded. Throws CONFIG_INVALID for what the environment says amiss. */
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
    `expected always_on, always_off or traceidratio, with parentbased_ in front or not, got "${name}"; or say sample`,
  );
}

/** Throws CONFIG_INVALID for variables that the exporter would not take, and go on without. */
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

/** What is surely not meant: a receiver's port for gRPC, which is not spoken; a variable that asks for it. */
export function warningOf(
  { exporter: { url } }: ParsedOptions,
  environment: Environment,
): string | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: own, OTEL_EXPORTER_OTLP_ENDPOINT: all } = environment;
  const endpoint = url ?? (own?.trim() || all?.trim());
  if (endpoint !== undefined && URL.canParse(endpoint) && new URL(endpoint).port === '4317') {
    return 'port 4317 is where receivers take gRPC; spans are sent over HTTP, which they take at 4318';
  }
  if (url !== undefined && new URL(url).pathname === '/') {
    return `${url} has no path: receivers of OTLP take spans at /v1/traces`;
  }
  return undefined;
}

function wrong(variable: string, what: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `the variable ${variable}: ${what}`);
}
