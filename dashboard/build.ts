// Builds the dashboard's page with Vite into dashboard/dist, and copies it to `--to`. It skips the build if the sources have not
// changed. With `--if-possible` it also skips it without Vite, where only production dependencies are installed.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const folder = import.meta.dirname;
const project = resolve(folder, '..');
const outDir = join(folder, 'dist');
const mark = join(outDir, '.sources');

const { values } = parseArgs({ options: { to: { type: 'string' }, 'if-possible': { type: 'boolean' } } });

if (values['if-possible'] !== true || existsSync(join(project, 'node_modules/vite'))) await build();
if (values.to !== undefined) {
  cpSync(outDir, resolve(project, values.to), { recursive: true, filter: path => path !== mark });
}

async function build(): Promise<void> {
  const sources = digestOfSources();
  if (existsSync(mark) && readFileSync(mark, 'utf8') === sources) return;
  const { build } = await import('vite');
  await build({
    root: folder,
    configFile: false,
    logLevel: 'warn',
    // Relative, so that it works under any path that a proxy gives it.
    base: './',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: false,
      // An inlined file would be a data: URL, which the page may not load.
      assetsInlineLimit: 0,
    },
  });
  writeFileSync(mark, sources);
}

function digestOfSources(): string {
  const hash = createHash('sha256');
  const names = globSync(['build.ts', 'index.html', 'public/**/*.*', 'src/**/*.*'], { cwd: folder }).sort();
  for (const path of [...names.map(name => join(folder, name)), join(project, 'package-lock.json')]) {
    hash.update(path.slice(project.length)).update('\0').update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}
