// The published package: installed in an empty folder, it starts, proxies, and loads what it needs and no more.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from './support/origin.ts';
import { suite } from './support/suite.ts';
import { until } from './support/until.ts';

const test = suite('the package', { timeoutMs: 300_000, testTimeoutMs: 240_000 });

const project = resolve(import.meta.dirname, '..');
const preload = pathToFileURL(join(import.meta.dirname, 'support/fixtures/loads.mjs')).href;

let folder: string;
let installed: string;
let origin: Origin;

function npm(args: readonly string[], cwd: string): void {
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, stdio: 'pipe' });
}

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weldr-package-'));
  origin = await startOrigin({ name: 'packaged' });
  npm(['pack', '--pack-destination', folder], project);
  const [file] = readdirSync(folder).filter(name => name.endsWith('.tgz'));
  assert.ok(file, 'npm pack made a file');
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  npm(['install', `./${file}`], folder);
  installed = join(folder, 'node_modules/weldr');
});

test.after(async () => {
  await origin?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The example config's plugins, for a config in TypeScript. */
function typedConfig(imports = '', plugins = ''): string {
  return `
    import { defineConfig } from 'weldr';
    import { adminApi, healthCheck, metrics, passiveHealth, poolFile, retry, roundRobin, stats } from 'weldr/plugins';
    ${imports}
    const servers: string[] = ['${origin.url}'];
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 1, servers,
      plugins: [${plugins} passiveHealth(), roundRobin(), retry(), healthCheck(), stats(), metrics(), poolFile(),
        adminApi({ listen: '127.0.0.1:0' })],
    });`;
}

/** Starts the installed command with a config in a separate folder, and ends it after `use`. Returns its output. */
async function withWeldr(
  name: string,
  config: string,
  use: (address: string) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const home = mkdtempSync(join(folder, 'run-'));
  writeFileSync(join(home, name), config);
  const weldr = spawn(process.execPath, [join(installed, 'dist/bin/weldr.js'), 'start'], {
    cwd: home,
    env: { ...process.env, NODE_COMPILE_CACHE: '', XDG_CACHE_HOME: join(folder, 'cache'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  weldr.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  let log = '';
  try {
    for await (const text of weldr.stdout.iterator({ destroyOnReturn: false })) {
      log += text;
      if (log.includes('"msg":"listening"')) break;
    }
    const address = /"listen":\["([^"]+)"/.exec(log)?.[1];
    assert.ok(address, `it listens: ${log}${errors}`);
    await use(address);
  } finally {
    await end(weldr);
  }
  assert.is(weldr.exitCode, 0, `it ends cleanly: ${log}${errors}`);
  return log + errors;
}

async function end(weldr: ChildProcess): Promise<void> {
  if (weldr.exitCode !== null || weldr.signalCode !== null) return;
  const exited = once(weldr, 'exit');
  weldr.stdout?.resume();
  weldr.kill('SIGTERM');
  await exited;
}

async function proxies(address: string): Promise<void> {
  const response = await fetch(`http://${address}/`);
  assert.is(await response.text(), 'packaged');
}

test('proxies with a config in TypeScript, without a warning', async () => {
  const said = await withWeldr('weldr.config.ts', typedConfig(), proxies);
  assert.not.match(said, /was not imported when the manager read the config/);
});

test('proxies with a config in JSON, and one in YAML', async () => {
  const config = {
    listen: '127.0.0.1:0',
    workers: 1,
    servers: [origin.url],
    plugins: ['roundRobin', { healthCheck: { interval: '30s' } }],
  };
  await withWeldr('weldr.config.json', JSON.stringify(config), proxies);
  await withWeldr('weldr.config.yaml', JSON.stringify(config), proxies);
});

test('accepts replies and errors of plugins that bring their own copy of Weldr', async () => {
  const vendor = join(folder, 'vendor/node_modules');
  mkdirSync(vendor, { recursive: true });
  cpSync(installed, join(vendor, 'weldr'), { recursive: true });
  const plugin = join(folder, 'vendor/teapot.mjs');
  writeFileSync(
    plugin,
    `import { definePlugin, reply, WeldrError } from 'weldr';
     export const teapot = definePlugin({ name: 'teapot', worker({ hooks }) {
       hooks.request.tap('teapot', ctx => {
         if (ctx.request.target === '/tea') return reply(418, 'short and stout');
         if (ctx.request.target === '/much') throw new WeldrError('BODY_TOO_LARGE', 'too much tea');
         return undefined;
       });
     } });`,
  );
  const imports = `import { teapot } from '${plugin}';`;
  await withWeldr('weldr.config.ts', typedConfig(imports, 'teapot(),'), async address => {
    const tea = await fetch(`http://${address}/tea`);
    assert.equal([tea.status, await tea.text()], [418, 'short and stout']);
    assert.is((await fetch(`http://${address}/much`)).status, 413);
    await proxies(address);
  });
});

test('runs from a folder outside node_modules, and reloads its config', async () => {
  const elsewhere = join(folder, 'opt/weldr');
  cpSync(installed, elsewhere, { recursive: true });
  const site = join(folder, 'site');
  mkdirSync(join(site, 'node_modules'), { recursive: true });
  symlinkSync(elsewhere, join(site, 'node_modules/weldr'));
  writeFileSync(join(site, 'weldr.config.ts'), typedConfig());
  const weldr = spawn(process.execPath, [join(elsewhere, 'dist/bin/weldr.js'), 'start'], {
    cwd: site,
    env: { ...process.env, NODE_COMPILE_CACHE: '', XDG_CACHE_HOME: join(folder, 'cache') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  weldr.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  try {
    await until('it listens', () => log.includes('"msg":"listening"'));
    const imports = "import { reply, definePlugin } from 'weldr';";
    const closed = `definePlugin({ name: 'closed', worker({ hooks }) {
      hooks.request.tap('closed', () => reply(503, 'closed')); } })(),`;
    const address = /"listen":\["([^"]+)"/.exec(log)?.[1] ?? '';
    writeFileSync(join(site, 'weldr.config.ts'), typedConfig(imports, closed));
    weldr.kill('SIGHUP');
    await until('it is reloaded', () => log.includes('"msg":"reloaded"'));
    const response = await fetch(`http://${address}/`);
    assert.equal([response.status, await response.text()], [503, 'closed']);
  } finally {
    await end(weldr);
  }
  assert.not.match(log, /was not imported when the manager read the config/);
});

/** By a process's entry: the files of the package that it loads, without their hashes. */
const expected: Readonly<Record<string, readonly string[]>> = {
  'weldr.js': [
    'admin-client',
    'admin-query',
    'admin-server',
    'base',
    'check-settings',
    'command-error',
    'compile-cache',
    'core',
    'http-check',
    'index',
    'manager',
    'manager-start',
    'plugins',
    'rolldown-runtime',
    'run',
    'server-check',
    'start',
    'start-warnings',
    'table',
    'undici',
    'upstream',
    'warnings',
    'weldr',
  ],
  'worker.js': [
    'base',
    'check-settings',
    'core',
    'index',
    'plugins',
    'rolldown-runtime',
    'upstream',
    'worker',
  ],
  'socket-opener.js': ['base', 'socket-opener'],
};

/** Node's modules that no process needs here, and those that a worker without TLS does not need. */
const unwanted: Readonly<Record<string, readonly string[]>> = {
  'weldr.js': ['inspector', 'internal/deps/undici/undici', 'internal/crypto/webcrypto'],
  'worker.js': [
    'inspector',
    'internal/deps/undici/undici',
    'internal/crypto/webcrypto',
    'http',
    'https',
    'tls',
  ],
  'socket-opener.js': ['crypto', 'http', 'https', 'tls', 'worker_threads'],
};

test('loads only what each process needs', async () => {
  const file = join(folder, 'loads.txt');
  const env = { LOADS: file, NODE_OPTIONS: `--import=${preload}` };
  await withWeldr('weldr.config.mjs', typedConfig().replace(': string[]', ''), proxies, env);
  const loads = readFileSync(file, 'utf8').trim().split('\n');
  for (const [entry, files] of Object.entries(expected)) {
    const own = loads.filter(line => line.startsWith(`${entry} `)).map(line => line.slice(entry.length + 1));
    const modules = own
      .filter(url => url.startsWith('file:') && url !== preload)
      .map(url => fileURLToPath(url));
    const foreign = modules.filter(path => !path.startsWith(installed) && !path.endsWith('weldr.config.mjs'));
    assert.equal(foreign, [], `${entry} loads nothing of other packages`);
    const names = modules
      .filter(path => path.startsWith(installed))
      .map(path => basename(path, '.js').replace(/-[\w-]{8}$/, ''));
    assert.equal([...new Set(names)].sort(), files, `what ${entry} loads`);
    const builtins = own.filter(name => name.startsWith('NativeModule '));
    assert.ok(builtins.length > 0, `${entry} says what it loaded of Node`);
    for (const name of unwanted[entry] ?? []) {
      assert.not.ok(builtins.includes(`NativeModule ${name}`), `${entry} does not load ${name}`);
    }
  }
});

test('keeps compiled code where only this user can write', async () => {
  const cache = join(folder, 'fresh');
  await withWeldr('weldr.config.ts', typedConfig(), proxies, { XDG_CACHE_HOME: cache });
  const [version] = readdirSync(join(cache, 'weldr/compile'));
  assert.ok(version !== undefined);
  assert.ok(readdirSync(join(cache, 'weldr/compile', version)).length > 5);
});

test('starts when it cannot write a compile cache', async () => {
  const cache = '/proc/weldr';
  await withWeldr('weldr.config.ts', typedConfig(), proxies, { XDG_CACHE_HOME: cache });
});

test('orders certificates with its bundled packages', async () => {
  const chunk = readdirSync(join(installed, 'dist')).find(name => /^authority-[\w-]{8}\.js$/.test(name));
  const { makeAccountKey } = await import(pathToFileURL(join(installed, 'dist', chunk ?? '')).href);
  assert.match(await makeAccountKey(), '-----BEGIN PRIVATE KEY-----');
});

test('names the packages that tracing() needs, and loads them from beside the package', async () => {
  const imports = "import { tracing } from 'weldr/plugins';";
  const config = typedConfig(imports, "tracing({ exporter: { url: 'http://127.0.0.1:9/v1/traces' } }),");
  const home = mkdtempSync(join(folder, 'check-'));
  writeFileSync(join(home, 'weldr.config.ts'), config);
  const command = [join(installed, 'dist/bin/weldr.js'), 'check'];
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: home, encoding: 'utf8' });
  assert.match(stderr, /plugins\[0\]: tracing\(\) needs packages .*: run npm install @opentelemetry\/api@1 /);
  assert.is.not(status, 0);
  const packages = join(folder, 'node_modules/@opentelemetry');
  symlinkSync(join(project, 'node_modules/@opentelemetry'), packages);
  try {
    await withWeldr('weldr.config.ts', config, proxies);
  } finally {
    rmSync(packages);
  }
});

test('contains types, and the licences of what it bundles', () => {
  const manifest: { exports: Record<string, string | { types: string; default: string }> } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  );
  for (const target of Object.values(manifest.exports)) {
    if (typeof target === 'string') continue;
    for (const path of [target.types, target.default]) assert.ok(existsSync(join(installed, path)), path);
  }
  const notices = readFileSync(join(installed, 'dist/THIRD-PARTY.txt'), 'utf8');
  for (const name of ['acme-client', 'jose', 'pino', 'polka', 'sade', 'tapable', 'undici', 'zod']) {
    assert.match(notices, new RegExp(`^=== ${name} \\d`, 'm'));
  }
});

test('a project made by weldr init passes its test, type check and config check, and serves', async () => {
  const home = join(folder, 'first');
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, {
      cwd: existsSync(home) ? home : folder,
      encoding: 'utf8',
      stdio: 'pipe',
      env,
    });
  // Beside the project's npm is the Node that it tests with.
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    NODE_OPTIONS: '',
    WELDR_ADMIN_LISTEN: '127.0.0.1:0',
    XDG_CACHE_HOME: join(folder, 'cache'),
  };
  const said = run('npx', 'weldr', 'init', 'first', '--servers', origin.url, '--ip', '127.0.0.1:0');
  assert.match(said, 'cd first && npm install');
  assert.match(run('npm', 'test'), /pass 2\n/);
  assert.match(run('npx', 'weldr', 'check'), 'is valid: 1 server; plugins: hide-dotfiles,');
  const types = ['--typeRoots', join(project, 'node_modules/@types')];
  run(process.execPath, join(project, 'node_modules/typescript/bin/tsc'), '-p', '.', ...types);
  // As in a terminal, whose Ctrl-C reaches npx and Weldr.
  const start = spawn('npx', ['weldr', 'start'], {
    cwd: home,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  let log = '';
  start.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  try {
    await until('it listens', () => log.includes('"msg":"listening"'));
    const address = /"listen":\["([^"]+)"/.exec(log)?.[1] ?? '';
    await proxies(address);
    assert.is((await fetch(`http://${address}/.env`)).status, 404);
    const admin = /the admin API listens on (http:[^"]+)/.exec(log)?.[1] ?? '';
    assert.match(run('npx', 'weldr', 'health', '--admin-url', admin), /^ready: \d+ of/);
  } finally {
    const closed = once(start, 'close');
    process.kill(-Number(start.pid), 'SIGINT');
    await closed;
  }
});

test('refuses an old Node in one sentence', () => {
  const system = '/usr/bin/node';
  const found = spawnSync(system, ['--version'], { encoding: 'utf8' });
  const major = Number(/^v(\d+)/.exec(found.stdout ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
  if (major >= 22) return;
  const command = join(installed, 'dist/bin/weldr.js');
  const { status, stderr } = spawnSync(system, [command, 'start'], { encoding: 'utf8' });
  assert.match(stderr, /^weldr: Node [\d.]+ is too old: Weldr needs Node 22\.19 or newer, see \S+\n$/);
  assert.is(status, 78);
});
