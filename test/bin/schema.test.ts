// `weldr schema`: prints the JSON schema of configs, or writes it.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { makeFolder, runWeldr } from '../support/weldr.ts';

const test = suite('weldr schema');

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = makeFolder();
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('prints a JSON schema with the settings and all plugins', async () => {
  const { code, stdout, stderr } = await runWeldr(['schema']);
  assert.is(stderr, '');
  assert.is(code, 0);
  const schema: { properties: object; $defs: { pluginWithOptions: { properties: object } } } =
    JSON.parse(stdout);
  assert.ok('listen' in schema.properties);
  assert.ok('healthCheck' in schema.$defs.pluginWithOptions.properties);
});

test('writes it to a file with --output', async () => {
  await inFolder(async folder => {
    const { code, stdout } = await runWeldr(['schema', '--output', 'weldr.schema.json'], { cwd: folder });
    assert.is(code, 0);
    assert.is(stdout, 'written to weldr.schema.json\n');
    const printed = await runWeldr(['schema']);
    assert.is(readFileSync(join(folder, 'weldr.schema.json'), 'utf8'), printed.stdout);
  });
});

test('says why it cannot be written, with exit code 1', async () => {
  await inFolder(async folder => {
    const { code, stderr } = await runWeldr(['schema', '--output', 'no/such/folder.json'], { cwd: folder });
    assert.is(code, 1);
    assert.match(stderr, 'weldr: cannot write no/such/folder.json: ');
  });
});
