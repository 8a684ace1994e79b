// The README of each plugin: its examples are type-checked and loaded, and every option is in its table.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { codeBlocks, DocFolder } from '../support/doc-blocks.ts';
import { suite } from '../support/suite.ts';

const project = resolve(fileURLToPath(import.meta.url), '../../..');
const plugins = globSync('plugins/*/index.ts', { cwd: project })
  .map(path => dirname(path))
  .sort();

interface Example {
  /** Such as `plugins/stats/README.md, example 1`. */
  readonly title: string;
  readonly file: string;
  readonly text: string;
}

function examplesOf(markdown: string): Example[] {
  const text = readFileSync(join(project, markdown), 'utf8');
  return codeBlocks(text, 'ts')
    .filter(block => /from 'weldr(\/\w+)?'/.test(block))
    .map((block, n) => ({
      title: `${markdown}, example ${n + 1}`,
      file: join(dirname(markdown), `example-${n + 1}`, 'weldr.config.ts'),
      text: block,
    }));
}

const readmes = globSync(['README.md', 'plugins/*/README.md'], { cwd: project }).sort();
const examples = readmes.flatMap(examplesOf);

const test = suite('the READMEs');
const folder = new DocFolder();
test.before(() => {
  for (const { file, text } of examples) folder.write(file, text);
});
test.after(() => folder.remove());

test('type-check in their examples', async () => {
  await folder.checkTypes();
});

for (const { title, file, text } of examples) {
  const path = join(folder.path, file);
  if (text.includes('export default')) {
    test(`${title} is a valid config`, async () => {
      const { plugins } = await loadConfig(path, {});
      assert.ok(plugins.length > 0);
    });
  } else {
    test(`${title} can be imported`, async () => {
      await import(pathToFileURL(path).href);
    });
  }
}

for (const plugin of plugins) {
  test(`there is one in ${plugin}, with an example config and a table of its options`, () => {
    const readme = `${plugin}/README.md`;
    assert.ok(readmes.includes(readme), `${readme} is missing`);
    assert.ok(
      examplesOf(readme).some(({ text }) => text.includes('export default defineConfig')),
      `${readme} has no example config`,
    );
    const text = readFileSync(join(project, readme), 'utf8');
    for (const option of optionsOf(join(project, plugin, 'index.ts'))) {
      assert.ok(text.includes(`\`${option}\``), `${readme} does not tell of the option ${option}`);
    }
  });
}

/** The keys of the schema that a plugin's options are parsed with, read from its source. */
function optionsOf(path: string): string[] {
  const source = readFileSync(path, 'utf8');
  const schema = /^const (?:options|schema) = z\s*\.strictObject\(\{\n(( +).*?)^ *\}\)/ms.exec(source);
  if (schema === null) {
    assert.match(source, 'z.strictObject({})', `${path}: its options could not be found`);
    return [];
  }
  const [, body = '', indent = ''] = schema;
  const keys = [...body.matchAll(new RegExp(`^${indent}(\\w+):`, 'gm'))].map(match => match[1] ?? '');
  assert.ok(keys.length > 0, `${path}: its options could not be read`);
  return keys;
}
