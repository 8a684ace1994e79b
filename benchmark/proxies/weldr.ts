// Weldr, as `weldr start` runs it from the sources, with every built-in plugin that a default config has.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../core/version.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

/** The modules that a config imports, by path: in its folder there is no package `weldr`. */
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
  async start(options: ProxyOptions): Promise<RunningProxy> {
    const folder = temporaryFolder('weldr');
    const port = await freePort();
    const adminPort = await freePort();
    const path = join(folder, 'weldr.config.ts');
    writeFileSync(path, weldrConfig(sources, port, adminPort, options));
    const command = [join(project, 'bin/weldr.ts'), 'start', '--config', path];
    const running = run(process.execPath, ['-C', 'weldr-source', ...command], {
      cores: options.cores,
      cwd: folder,
    });
    await listening(running, port);
    return { port, process: running, adminPort };
  },
};

/** A config of the default plugins. */
export function weldrConfig(
  modules: ConfigModules,
  port: number,
  adminPort: number,
  { origin, workers }: Pick<ProxyOptions, 'origin' | 'workers'>,
): string {
  return `
import { defineConfig } from '${modules.weldr}';
import { adminApi, healthCheck, poolFile, roundRobin, stats } from '${modules.plugins}';
export default defineConfig({
  listen: '127.0.0.1:${port}',
  workers: ${workers},
  servers: ['http://127.0.0.1:${origin.port}'],
  plugins: [
    roundRobin(),
    healthCheck(),
    stats(),
    poolFile({ path: 'weldr-pool.json' }),
    adminApi({ listen: '127.0.0.1:${adminPort}' }),
  ],
});
`;
}
