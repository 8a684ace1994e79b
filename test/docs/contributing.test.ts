// CONTRIBUTING.md: the plugin that it adds to Weldr is linted, type-checked and tested unchanged.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { codeBlocks, DocFolder, fileNameOf } from '../support/doc-blocks.ts';
import { runFiles } from '../support/file-run.ts';
import { defaultFileOptions } from '../support/records.ts';
import { suite } from '../support/suite.ts';

const test = suite('CONTRIBUTING.md');

const project = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(join(project, path), 'utf8');
const page = read('CONTRIBUTING.md');
const plugin = 'plugins/longest-idle/index.ts';
const pluginTest = 'test/plugins/longest-idle/longest-idle.test.ts';
const run = promisify(execFile);

/** The files by name, without the line that names them. */
const files = new Map(
  codeBlocks(page, 'ts').flatMap(block => {
    const name = fileNameOf(block);
    return name === undefined ? [] : [[name, block.slice(block.indexOf('\n') + 1)] as const];
  }),
);

/** A checkout with the plugin; everything else in it is a link into this one. */
let checkout: string;
test.before(() => {
  checkout = mkdtempSync(join(tmpdir(), 'checkout-'));
  for (const name of ['core', 'node_modules', 'package.json']) {
    symlinkSync(join(project, name), join(checkout, name));
  }
  for (const name of ['biome.json', 'tsconfig.json']) cpSync(join(project, name), join(checkout, name));
  mkdirSync(join(checkout, 'test'));
  symlinkSync(join(project, 'test/support'), join(checkout, 'test/support'));
  for (const [name, text] of files) {
    mkdirSync(dirname(join(checkout, name)), { recursive: true });
    writeFileSync(join(checkout, name), text);
  }
});
test.after(() => rmSync(checkout, { recursive: true, force: true }));

test('names a file in each block of the plugin', () => {
  assert.equal([...files.keys()], [plugin, pluginTest]);
});

test('adds a plugin that is formatted and linted', async () => {
  const biome = join(project, 'node_modules/.bin/biome');
  const args = ['check', '--error-on-warnings', '--vcs-enabled=false', 'plugins', 'test/plugins'];
  await run(biome, args, { cwd: checkout }).catch(error => assert.unreachable(error.stdout + error.stderr));
});

test('adds a plugin that type-checks', async () => {
  const tsc = join(project, 'node_modules/.bin/tsc');
  writeFileSync(
    join(checkout, 'tsconfig.json'),
    JSON.stringify({ extends: join(project, 'tsconfig.json'), include: [plugin, pluginTest] }),
  );
  await run(tsc, ['-p', checkout], { cwd: checkout }).catch(error => assert.unreachable(error.stdout));
});

test('adds a plugin that passes its test', async () => {
  const [report] = await runFiles([{ path: join(checkout, pluginTest), options: defaultFileOptions }]);
  assert.equal(report?.failed, []);
  assert.ok((report?.passed.length ?? 0) > 15, `${report?.passed.length} tests passed`);
});

test('has a README whose example is a valid config', async () => {
  const readme = /^````md\n<!-- plugins\/longest-idle\/README.md -->\n(.*?)^````$/ms.exec(page)?.[1] ?? '';
  const [example = ''] = codeBlocks(readme, 'ts');
  assert.match(readme, '| `sample` | `5` |');
  const folder = new DocFolder();
  const own = `import { longestIdle } from '${join(checkout, plugin)}';`;
  const config = example.replace("import { longestIdle } from 'weldr/plugins';", own);
  assert.is.not(config, example);
  const { plugins } = await loadConfig(folder.write('weldr.config.ts', config), {});
  assert.is(plugins[0]?.name, 'longest-idle');
  folder.remove();
});

test('names existing scripts', () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
  const named = [...page.matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name = '']) => name);
  assert.ok(named.length > 10);
  assert.equal(
    named.filter(name => !(name in scripts)),
    [],
  );
});
