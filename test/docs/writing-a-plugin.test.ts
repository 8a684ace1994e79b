// docs/writing-a-plugin.md: its code is type-checked and run unchanged.
import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { codeBlocks, DocFolder, fileNameOf } from '../support/doc-blocks.ts';
import { suite } from '../support/suite.ts';

const page = readFileSync(new URL('../../docs/writing-a-plugin.md', import.meta.url), 'utf8');
const files = codeBlocks(page, 'ts').map(text => ({ name: fileNameOf(text), text }));

const test = suite('docs/writing-a-plugin.md');
const folder = new DocFolder();
test.before(() => {
  for (const { name, text } of files) if (name !== undefined) folder.write(name, text);
});
test.after(() => folder.remove());

test('names a file in each block of code, each file once', () => {
  const names = files.map(({ name }) => name);
  assert.is(names.includes(undefined), false);
  assert.is(new Set(names).size, names.length);
  for (const name of ['least-connections.ts', 'least-connections.test.ts', 'weldr.config.ts']) {
    assert.ok(names.includes(name), name);
  }
});

test('type-checks', async () => {
  await folder.checkTypes();
});

for (const { name } of files) {
  if (name === undefined || !name.endsWith('.test.ts')) continue;
  test(`passes its own ${name}`, async () => {
    const passed = await folder.runTests(name);
    const text = files.find(file => file.name === name)?.text ?? '';
    const written = text.match(/^test\(/gm)?.length ?? 0;
    assert.ok(written > 0 && passed >= written, `${passed} of at least ${written} tests passed`);
  });
}

test('has a config that is valid', async () => {
  const { plugins } = await loadConfig(`${folder.path}/weldr.config.ts`, {});
  assert.is(plugins[1]?.name, 'least-connections');
});

test('builds a balancer in at most 40 lines', () => {
  const text = files.find(({ name }) => name === 'least-connections.ts')?.text ?? '';
  const lines = text.split('\n').filter(line => line.trim() !== '' && !/^\s*(\/\/|\/\*\*)/.test(line));
  assert.ok(lines.length > 10 && lines.length <= 40, `${lines.length} lines`);
});
