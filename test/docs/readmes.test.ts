// The README of each plugin: its examples are type-checked and loaded, and every option is in its table.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { builtInPlugins } from '../../config/built-in-plugins.ts';
import { loadConfig } from '../../config/load.ts';
import { codeBlocks, DocFolder, fileNameOf } from '../support/doc-blocks.ts';
import { suite } from '../support/suite.ts';

const catalogue = await builtInPlugins();
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
      // Examples that import each other name their files.
      file: join(dirname(markdown), fileNameOf(block) ?? `example-${n + 1}/weldr.config.ts`),
      text: block,
    }));
}

const pages = [
  'README.md',
  'docs/balancing.md',
  'docs/discovery.md',
  'docs/from-*.md',
  'plugins/*/README.md',
];
const readmes = globSync(pages, {
  cwd: project,
}).sort();
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
  if (file.endsWith('.test.ts')) {
    test(`${title} passes`, async () => {
      assert.ok((await folder.runTests(file)) > 0);
    });
  } else if (text.includes('export default')) {
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
    for (const option of optionsOf(plugin)) {
      assert.ok(text.includes(`\`${option}\``), `${readme} does not list the option ${option}`);
    }
  });
}

/** Returns the options of the plugin in a folder, such as `plugins/stats`. */
function optionsOf(folder: string): string[] {
  const factory = Object.values(catalogue).find(({ pluginName }) => `plugins/${pluginName}` === folder);
  assert.ok(factory !== undefined, `weldr/plugins does not export the plugin in ${folder}`);
  const { schema } = factory;
  assert.ok(schema === undefined || schema instanceof z.ZodObject, `${folder} has options by name`);
  return Object.keys(schema?.shape ?? {});
}
