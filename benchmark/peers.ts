// All compared peers. nginx, HAProxy and Weldr add the same fields; Caddy adds X-Forwarded-For, -Proto and -Host.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { version } from '../core/package/version.ts';
import type { Entry } from './load.ts';
import { firstLine } from './machine.ts';
import type { Peer } from './peer.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const project = fileURLToPath(new URL('..', import.meta.url));
const everyEntry: readonly Entry[] = ['http', 'https', 'h2c'];
const nodeInstall = 'npm ci --prefix benchmark';
// As root, nginx would run its workers as a user that cannot read the temporary folder.
const nginxUser = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];

/** A copy of Weldr. */
export interface WeldrCopy {
  /** The arguments of Node that run the command. */
  readonly command: readonly string[];
  /** The modules that a config imports, as its folder has no package `weldr`. */
  readonly exports: string;
  readonly plugins: string;
}

export const sources: WeldrCopy = {
  command: ['-C', 'weldr-source', join(project, 'bin/weldr.ts')],
  exports: join(project, 'config/index.ts'),
  plugins: join(project, 'plugins/index.ts'),
};

export const weldr = weldrPeer();

/** The peer whose figures are 1. */
export const reference: Peer = {
  name: 'nginx',
  install: 'apt-get install nginx-light',
  version: () => firstLine('nginx', ['-v'])?.replace(/^.*nginx\//, ''),
  entries: everyEntry,
  config: { file: 'nginx.conf' },
  command: ({ folder, config }) => ['nginx', '-p', folder, '-e', 'stderr', '-c', config, ...nginxUser],
};

export const peers: readonly Peer[] = [
  reference,
  {
    name: 'haproxy',
    install: 'apt-get install haproxy',
    version: () => firstLine('haproxy', ['-v'])?.match(/version (\S+)/)?.[1],
    entries: everyEntry,
    config: { file: 'haproxy.cfg' },
    command: ({ config }) => ['haproxy', '-db', '-f', config],
  },
  {
    name: 'caddy',
    install: 'apt-get install caddy',
    version: () => firstLine('caddy', ['version'])?.split(' ')[0],
    entries: everyEntry,
    config: { file: 'Caddyfile' },
    command: ({ config }) => ['caddy', 'run', '--config', config, '--adapter', 'caddyfile'],
    env: ({ folder }) => ({ GOMAXPROCS: '1', HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }),
  },
  weldr,
  ...['http-proxy', 'http-proxy-3', 'httpxy', 'fast-proxy'].map(name => nodePeer(name, name)),
  nodePeer('fastify-http-proxy', '@fastify/http-proxy'),
];

/** Returns Weldr as `weldr start` runs it. `plugins`: code such as `requestId()`, put before the plugins of the default config. */
export function weldrPeer({
  copy = sources,
  entries = everyEntry,
  plugins = [],
}: {
  readonly copy?: WeldrCopy;
  readonly entries?: readonly Entry[];
  readonly plugins?: readonly string[];
} = {}): Peer {
  const names = plugins.map(text => `, ${text.slice(0, text.indexOf('('))}`).join('');
  const text = `
import { defineConfig } from '${copy.exports}';
import { adminApi, healthCheck, poolFile, roundRobin, stats${names} } from '${copy.plugins}';
const certificates = [{ cert: '{certificate}', key: '{certificate}' }];
const listeners = {
  http: '127.0.0.1:{http}',
  https: { address: '127.0.0.1:{https}', tls: { certificates } },
  h2c: { address: '127.0.0.1:{h2c}', h2c: true },
};
export default defineConfig({
  listen: [${entries.map(entry => `listeners.${entry}`).join(', ')}],
  workers: 1,
  servers: ['http://127.0.0.1:{origin}'],
  plugins: [
    ${plugins.map(plugin => `${plugin},`).join(' ')}
    roundRobin(), healthCheck(), stats(), poolFile({ path: 'weldr-pool.json' }),
    adminApi({ listen: '127.0.0.1:{admin}' }),
  ],
});
`;
  return {
    name: 'weldr',
    install: 'npm ci',
    version: () => `${version}, Node ${process.versions.node}`,
    entries,
    config: { file: 'weldr.config.ts', text },
    command: ({ config }) => [process.execPath, ...copy.command, 'start', '--config', config],
  };
}

/** A proxy for Node, under the Node that runs the benchmark. */
function nodePeer(name: string, packageName: string): Peer {
  const manifestPath = `${here}node_modules/${packageName}/package.json`;
  return {
    name,
    install: nodeInstall,
    version() {
      const manifest: unknown = existsSync(manifestPath)
        ? JSON.parse(readFileSync(manifestPath, 'utf8'))
        : undefined;
      const isKnown = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
      return isKnown ? String(manifest.version) : undefined;
    },
    entries: ['http'],
    command({ http, origin }) {
      const args = [name, String(http), `http://127.0.0.1:${origin}`];
      return [process.execPath, `${here}peers/node.mjs`, ...args];
    },
  };
}

/** Installs the peers of benchmark/package.json if one of those wanted is missing. */
export function installNodePeers(wanted: readonly Peer[]): void {
  const isMissing = (peer: Peer): boolean => peer.install === nodeInstall && peer.version() === undefined;
  if (!wanted.some(isMissing)) return;
  console.error('installing the Node proxies into benchmark/node_modules');
  const { status } = spawnSync('npm', ['ci', '--prefix', here, '--silent'], { stdio: 'inherit' });
  if (status !== 0) console.error('npm could not install the Node proxies');
}
