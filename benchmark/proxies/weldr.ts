// Weldr, as `weldr start` runs it from the sources, with all plugins of a default config.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../core/package/version.ts';
import { benchmarkCertificate } from '../certificate.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** The paths of the modules that a config imports, as its folder has no package `weldr`. */
export interface ConfigModules {
  readonly weldr: string;
  readonly plugins: string;
}

export const sources: ConfigModules = {
  weldr: join(project, 'config/index.ts'),
  plugins: join(project, 'plugins/index.ts'),
};

export const weldr: ComparedProxy = {
  name: 'weldr',
  kind: 'weldr',
  install: 'npm ci',
  version: () => `${version}, Node ${process.versions.node}`,
  start: options => startWeldr(options),
};

/** Starts Weldr. `plugins`: in addition to the default ones, as code for a config, such as `requestId()`. */
export async function startWeldr(
  options: ProxyOptions,
  plugins: readonly string[] = [],
): Promise<RunningProxy> {
  const folder = temporaryFolder('weldr');
  const port = await freePort();
  const tlsPort = await freePort();
  const h2cPort = await freePort();
  const adminPort = await freePort();
  const path = join(folder, 'weldr.config.ts');
  const { cert, key } = benchmarkCertificate();
  const listen = [
    `127.0.0.1:${port}`,
    { address: `127.0.0.1:${tlsPort}`, tls: { certificates: [{ cert, key }] } },
    { address: `127.0.0.1:${h2cPort}`, h2c: true },
  ];
  writeFileSync(path, weldrConfig(sources, listen, adminPort, { ...options, plugins }));
  const command = [join(project, 'bin/weldr.ts'), 'start', '--config', path];
  const running = run(process.execPath, ['-C', 'weldr-source', ...command], {
    cores: options.cores,
    cwd: folder,
  });
  for (const each of [port, tlsPort, h2cPort]) await listening(running, each);
  return { port, tlsPort, h2cPort, process: running, adminPort };
}

/** Returns a config of the default plugins; `listen`: as code. */
export function weldrConfig(
  modules: ConfigModules,
  listen: unknown,
  adminPort: number,
  {
    origin,
    workers,
    plugins = [],
  }: Pick<ProxyOptions, 'origin' | 'workers'> & { readonly plugins?: readonly string[] },
): string {
  const names = plugins.map(text => `, ${text.slice(0, text.indexOf('('))}`).join('');
  return `
import { defineConfig } from '${modules.weldr}';
import { adminApi, healthCheck, poolFile, roundRobin, stats${names} } from '${modules.plugins}';
export default defineConfig({
  listen: ${JSON.stringify(listen)},
  workers: ${workers},
  servers: ['http://127.0.0.1:${origin.port}'],
  plugins: [
    ${plugins.map(text => `${text},`).join('\n    ')}
    roundRobin(),
    healthCheck(),
    stats(),
    poolFile({ path: 'weldr-pool.json' }),
    adminApi({ listen: '127.0.0.1:${adminPort}' }),
  ],
});
`;
}
