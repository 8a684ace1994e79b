// docs/dependencies.md names every package, and a process loads a package only where its config, or a command, uses it.
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { readImports } from '../support/module-graph.ts';
import { suite } from '../support/suite.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('docs/dependencies.md');

const project = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(project, path), 'utf8');
const page = read('docs/dependencies.md');

interface Module {
  /** The modules that it imports. */
  readonly now: readonly string[];
  /** The modules that it loads later, by `import()`. */
  readonly later: readonly string[];
}

const modules = new Map<string, Module>();
for (const path of globSync(
  ['bin', 'config', 'core', 'plugins'].map(folder => `${folder}/**/*.ts`),
  {
    cwd: project,
  },
)) {
  const source = read(path).replaceAll('typeof import(', 'typeof later(');
  const targets = (text: string): string[] =>
    readImports(path, text).flatMap(({ target, typeOnly }) => (typeOnly ? [] : [target]));
  const now = targets(source.replaceAll(/\bimport\(/g, 'later('));
  modules.set(path, { now, later: targets(source).filter(target => !now.includes(target)) });
}

/** Returns the packages that these modules load, directly or through other modules. */
function packagesOf(paths: readonly string[]): string[] {
  const found = new Set(paths);
  for (const path of found) for (const target of modules.get(path)?.now ?? []) found.add(target);
  return [...found].filter(path => !path.endsWith('.ts') && !path.startsWith('node:')).sort();
}

/** The modules that load a package by `import()`, directly or through another module of Weldr. */
const loadedLater: Readonly<Record<string, readonly string[]>> = {
  '@opentelemetry/api': ['plugins/tracing/packages.ts'],
  '@opentelemetry/exporter-trace-otlp-proto': ['plugins/tracing/packages.ts'],
  '@opentelemetry/resources': ['plugins/tracing/packages.ts'],
  '@opentelemetry/sdk-trace': ['plugins/tracing/packages.ts'],
  'acme-client': ['plugins/acme/issuer.ts'],
  cosmiconfig: ['bin/commands/state-file.ts', 'config/data-reading.ts'],
  etcd3: ['plugins/etcd/client.ts'],
  jose: ['plugins/jwt/index.ts'],
  'js-yaml': ['plugins/file-discovery/index.ts'],
  'pino-pretty': ['core/log/log.ts'],
  polka: ['plugins/admin-api/index.ts'],
  'prom-client': ['plugins/metrics/index.ts'],
  sade: ['bin/command-line.ts'],
  undici: [
    'plugins/acme/index.ts',
    'plugins/acme/issuer.ts',
    'plugins/health-check/index.ts',
    'plugins/jwt/index.ts',
  ],
};

test('has a row for each package that the sources and the page import', () => {
  const inPage = globSync('dashboard/src/**/*.{ts,tsx}', { cwd: project })
    .flatMap(path => readImports(path, read(path)).map(({ target }) => target))
    .filter(target => /^[@a-z]/.test(target) && !target.includes('.') && !target.startsWith('dashboard/'))
    .map(target => target.split('/', target.startsWith('@') ? 2 : 1).join('/'));
  const used = new Set([...packagesOf([...modules.keys()]), ...Object.keys(loadedLater), ...inPage]);
  used.delete('selfsigned'); // the demo's
  const rows = [...page.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  );
  assert.equal([...new Set(rows)].sort(), [...used].sort());
});

test('is right about what every process loads', () => {
  const config = ['plugins/index.ts', 'config/index.ts'];
  assert.equal(packagesOf(['bin/worker.ts', ...config]), ['pino', 'tapable', 'zod']);
  assert.equal(packagesOf(['bin/run.ts', 'bin/start.ts', 'bin/manager-start.ts', ...config]), [
    'pino',
    'tapable',
    'zod',
  ]);
  for (const small of ['core/process/socket-opener.ts', 'plugins/floating-ip/holder-process.ts']) {
    assert.equal(packagesOf([small]), [], small);
  }
  assert.equal(packagesOf(['plugins/basic-auth/password-thread.ts']), ['bcryptjs']);
});

test('is right about what loads the others', () => {
  const found: Record<string, string[]> = {};
  const always = ['pino', 'tapable', 'zod'];
  for (const [path, { later }] of modules) {
    if (path === 'bin/demo.ts') continue;
    for (const name of new Set(packagesOf(later))) {
      // A plugin's own thread is not imported anywhere.
      if (!always.includes(name)) found[name] = [...(found[name] ?? []), path].sort();
    }
  }
  assert.equal(found, loadedLater);
});

test('is right about a config of one plugin: it runs on the packages that every process loads', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loads-'));
  const file = join(folder, 'loads.txt');
  const preload = pathToFileURL(join(project, 'test/support/fixtures/loads.mjs')).href;
  const weldr = await startWeldr({
    command: ['-C', 'weldr-source', join(project, 'bin/weldr.ts')],
    config: `
      import { defineConfig } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      export default defineConfig({ listen: '127.0.0.1:0', workers: 1, plugins: [roundRobin()] });`,
    env: { LOADS: file, NODE_OPTIONS: `--import=${preload}` },
  });
  await weldr.stop();
  const loaded = (entry: string): string[] => {
    const lines = readFileSync(file, 'utf8').split('\n');
    const own = lines.filter(line => line.startsWith(`${entry} `));
    const names = [...own.join('\n').matchAll(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//g)];
    const direct = names.map(([, name = '']) => name).filter(name => page.includes(`| \`${name}\``));
    return [...new Set(direct)].sort();
  };
  assert.equal(loaded('worker.ts'), ['pino', 'tapable', 'zod']);
  assert.equal(loaded('weldr.ts'), ['pino', 'tapable', 'zod']);
  rmSync(folder, { recursive: true });
});
