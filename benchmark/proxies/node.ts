// The proxies for Node, each with its script in node-proxies/, under the Node that runs the benchmark.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { firstLine } from '../machine.ts';
import { freePort, listening, run } from '../processes.ts';
import type { ComparedProxy, ProxyOptions, RunningProxy } from './proxy.ts';

const here = fileURLToPath(new URL('..', import.meta.url));

export const nodeProxies: readonly ComparedProxy[] = [
  nodeProxy('http-proxy', 'http-proxy'),
  nodeProxy('http-proxy-3', 'http-proxy-3'),
  nodeProxy('httpxy', 'httpxy'),
  nodeProxy('fast-proxy', 'fast-proxy'),
  nodeProxy('fastify-http-proxy', '@fastify/http-proxy'),
];

/** Installs the dependencies of the benchmark's package.json if they are missing. Throws an Error if npm fails. */
export function installNodeProxies(): void {
  if (nodeProxies.every(proxy => proxy.version() !== undefined)) return;
  console.error('installing the Node proxies into benchmark/node_modules');
  const line = firstLine('npm', ['ci', '--prefix', here, '--silent', '--no-audit', '--no-fund']);
  if (nodeProxies.some(proxy => proxy.version() === undefined)) {
    console.error(`the Node proxies could not be installed: ${line ?? 'npm is missing'}`);
  }
}

function nodeProxy(name: string, packageName: string): ComparedProxy {
  return {
    name,
    kind: 'node',
    install: 'npm ci --prefix benchmark',
    version() {
      const path = `${here}node_modules/${packageName}/package.json`;
      if (!existsSync(path)) return undefined;
      const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
      const known = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
      return known ? String(manifest.version) : undefined;
    },
    async start(options: ProxyOptions): Promise<RunningProxy> {
      const port = await freePort();
      const origin = `http://127.0.0.1:${options.origin.port}`;
      const script = `${here}node-proxies/${name}.mjs`;
      const running = run(process.execPath, [script, String(port), origin], { cores: options.cores });
      await listening(running, port);
      return { port, process: running };
    },
  };
}
