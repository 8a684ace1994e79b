// The package as it is published: installed in an empty folder, it starts and proxies.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as assert from 'uvu/assert';
import { startOrigin } from './support/origin.ts';
import { suite } from './support/suite.ts';

const test = suite('the package', { timeoutMs: 300_000, testTimeoutMs: 240_000 });

const project = resolve(import.meta.dirname, '..');

function npm(args: readonly string[], cwd: string): void {
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, stdio: 'pipe' });
}

test('installs in an empty folder, starts with a config of its own and proxies', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-package-'));
  const origin = await startOrigin({ name: 'packaged' });
  try {
    npm(['pack', '--pack-destination', folder], project);
    const [file] = readdirSync(folder).filter(name => name.endsWith('.tgz'));
    assert.ok(file, 'npm pack made a file');
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    npm(['install', `./${file}`], folder);
    writeFileSync(
      join(folder, 'weldr.config.ts'),
      `import { defineConfig } from 'weldr';
       import { adminApi, healthCheck, poolFile, roundRobin, stats } from 'weldr/plugins';
       const servers: string[] = ['${origin.url}'];
       export default defineConfig({
         listen: '127.0.0.1:0', workers: 1, servers,
         plugins: [roundRobin(), healthCheck(), stats(), poolFile(), adminApi({ listen: '127.0.0.1:0' })],
       });`,
    );
    const weldr = spawn(process.execPath, [join(folder, 'node_modules/weldr/dist/bin/weldr.js'), 'start'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      let log = '';
      for await (const text of weldr.stdout) {
        log += text;
        if (log.includes('"msg":"listening"')) break;
      }
      const address = /"listen":\["([^"]+)"/.exec(log)?.[1];
      assert.ok(address, `it listens: ${log}`);
      const response = await fetch(`http://${address}/`);
      assert.is(await response.text(), 'packaged');
    } finally {
      const exited = once(weldr, 'exit');
      weldr.stdout.resume();
      weldr.kill('SIGTERM');
      await exited;
    }
    assert.is(weldr.exitCode, 0, 'it ends in peace');
    tellsOldNode(join(folder, 'node_modules/weldr/dist/bin/weldr.js'));
  } finally {
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The system's Node, where it is older than Weldr takes: it says so in one sentence. */
function tellsOldNode(command: string): void {
  const system = '/usr/bin/node';
  const found = spawnSync(system, ['--version'], { encoding: 'utf8' });
  const major = Number(/^v(\d+)/.exec(found.stdout ?? '')?.[1] ?? Number.POSITIVE_INFINITY);
  if (major >= 22) return;
  const { status, stderr } = spawnSync(system, [command, 'start'], { encoding: 'utf8' });
  assert.match(stderr, /^weldr: Node [\d.]+ is too old: Weldr needs Node 22\.19 or newer, see \S+\n$/);
  assert.is(status, 78);
}
