// Weldr, as `weldr start` runs it from the sources, with every built-in plugin that a default config has.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../../core/version.ts';
import { freePort, listening, run, temporaryFolder } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

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
    writeFileSync(path, weldrConfig(project, port, adminPort, options));
    const command = [join(project, 'bin/weldr.ts'), 'start', '--config', path];
    const running = run(process.execPath, ['-C', 'weldr-source', ...command], {
      cores: options.cores,
      cwd: folder,
    });
    await listening(running, port);
    return { port, process: running, adminPort };
  },
};

/**
 * A config of the default plugins. It names the modules of `root` by path, as in its folder there is no package
 * `weldr`; `extension` is that of the modules there.
 */
export function weldrConfig(
  root: string,
  port: number,
  adminPort: number,
  { origin, workers }: Pick<ProxyOptions, 'origin' | 'workers'>,
  extension: 'ts' | 'js' = 'ts',
): string {
  return `
import { defineConfig } from '${join(root, `config/index.${extension}`)}';
import { adminApi, healthCheck, poolFile, roundRobin, stats } from '${join(root, `plugins/index.${extension}`)}';
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
