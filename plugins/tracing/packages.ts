// The packages of OpenTelemetry that tracing needs: they do not come with Weldr, and only a config with tracing loads them.
import { toError, WeldrError } from '../../core/errors.ts';

/** The packages with their supported versions, as in `peerDependencies` of package.json. */
const packages: ReadonlyMap<string, string> = new Map([
  ['@opentelemetry/api', '1'],
  ['@opentelemetry/sdk-trace', '3'],
  ['@opentelemetry/resources', '3'],
  ['@opentelemetry/exporter-trace-otlp-proto', '0'],
]);

const command = `npm install ${Array.from(packages, ([name, version]) => `${name}@${version}`).join(' ')}`;

/** The parts of the packages that tracing uses. */
export interface OpenTelemetry {
  readonly api: typeof import('@opentelemetry/api');
  readonly sdk: typeof import('@opentelemetry/sdk-trace');
  readonly resources: typeof import('@opentelemetry/resources');
  readonly otlp: typeof import('@opentelemetry/exporter-trace-otlp-proto');
}

/** Throws CONFIG_INVALID with the command to run if a package is missing. `find`: throws for a missing package. */
export function checkPackages(find: (name: string) => unknown = name => import.meta.resolve(name)): void {
  const missing = [...packages.keys()].filter(name => {
    try {
      find(name);
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return;
  const what = missing.length === 1 ? 'a package that is' : 'packages that are';
  throw new WeldrError(
    'CONFIG_INVALID',
    `tracing() needs ${what} not installed where Weldr is, ${missing.join(', ')}: run ${command}`,
  );
}

/** Loads the packages. Rejects with CONFIG_INVALID if one is missing, or its version is not supported. */
export async function loadPackages(): Promise<OpenTelemetry> {
  checkPackages();
  try {
    const [api, sdk, resources, otlp] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/exporter-trace-otlp-proto'),
    ]);
    const used = [
      api.createTraceState,
      sdk.BatchSpanProcessor,
      resources.resourceFromAttributes,
      otlp.OTLPTraceExporter,
    ];
    if (used.some(part => typeof part !== 'function')) throw new Error('their versions are not supported');
    return { api, sdk, resources, otlp };
  } catch (thrown) {
    const why = toError(thrown).message;
    throw new WeldrError(
      'CONFIG_INVALID',
      `the packages of OpenTelemetry cannot be used, ${why}: run ${command}`,
      {
        cause: thrown,
      },
    );
  }
}
