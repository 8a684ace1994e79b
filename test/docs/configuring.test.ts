// The settings and examples of docs/configuring.md.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { serverDefinition } from '../../core/pool/server-definition.ts';
import { upstreamTls } from '../../core/pool/upstream-tls.ts';
import { settingsSchema } from '../../core/settings/settings.ts';
import { suite } from '../support/suite.ts';
import { makeFolder } from '../support/weldr.ts';

const test = suite('docs/configuring.md');

const page = readFileSync(new URL('../../docs/configuring.md', import.meta.url), 'utf8');
const defaults = settingsSchema.parse({});

/** Returns name and default of each row in the table of settings. */
function documented(): Map<string, unknown> {
  const [, table = ''] = page.split('| setting | default | meaning |\n');
  const rows = new Map<string, unknown>();
  for (const line of table.split('\n\n')[0]?.split('\n').slice(1) ?? []) {
    const [, name = '', value = ''] = /^\| `([\w.]+)` \| (?:`(.+?)`|none) \|/.exec(line) ?? [];
    assert.is.not(name, '', line);
    rows.set(name, value === '' ? undefined : JSON.parse(value));
  }
  return rows;
}

/** Returns every setting by its path, and the parts of a setting in its place. */
function settings(): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, schema] of Object.entries(settingsSchema.shape)) {
    const value = defaults[name as keyof typeof defaults];
    const parts = name === 'pools' || typeof value !== 'object' || Array.isArray(value) ? undefined : value;
    if (parts === undefined) found.set(name, value);
    else for (const part of partsOf(schema)) found.set(`${name}.${part}`, Reflect.get(parts, part));
  }
  return found;
}

function partsOf(schema: unknown): string[] {
  const inner: unknown = Reflect.get(Object(Reflect.get(Object(schema), 'def')), 'innerType');
  return Object.keys(Object(Reflect.get(Object(inner), 'shape')));
}

test('lists every setting with its default', () => {
  const ours = documented();
  const real = settings();
  assert.ok(real.size > 25);
  assert.equal([...ours.keys()].sort(), [...real.keys()].sort());
  // Parsed entries of `listen` are objects.
  real.set(
    'listen',
    defaults.listen.map(({ address }) => address),
  );
  for (const [name, value] of ours) assert.equal(value, real.get(name), name);
});

/** Returns the names in the first column of a table. */
function namesIn(head: string): string[] {
  const [, table = ''] = page.split(`${head}\n`);
  const rows = table.split('\n\n')[0]?.split('\n').slice(1) ?? [];
  return rows.flatMap(row =>
    [...(row.split(' | ')[0]?.matchAll(/`(\w+)`/g) ?? [])].map(([, name = '']) => name),
  );
}

test('lists every field of a server, and of its tls', () => {
  const server = namesIn('| in a server | default | what it sets |');
  assert.equal(server.sort(), Object.keys(serverDefinition.shape).sort());
  const tls = namesIn('| in `tls` | default | what it is |');
  assert.equal(tls.sort(), Object.keys(upstreamTls.shape).sort());
});

test('has a YAML example that loads', async () => {
  const [, yaml = ''] = /```yaml\n([\s\S]+?)```/.exec(page) ?? [];
  const folder = makeFolder();
  try {
    const path = join(folder, 'weldr.config.yaml');
    writeFileSync(path, yaml);
    const { plugins, settings: read } = await loadConfig(path, {});
    assert.equal(
      plugins.map(plugin => plugin.name),
      ['round-robin', 'health-check', 'stats'],
    );
    assert.is(read.servers[0]?.url, 'http://127.0.0.1:12345');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('has a JSON example that loads', async () => {
  const [, json = ''] = /```json\n([\s\S]+?)```/.exec(page) ?? [];
  const folder = makeFolder();
  try {
    const path = join(folder, 'weldr.config.json');
    writeFileSync(path, json);
    const { plugins } = await loadConfig(path, {});
    assert.ok(plugins.some(({ name }) => name === 'rate-limit#strict'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
