// Reading config files of each kind, and the errors for wrong ones.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findConfig, searchPlaces } from '../../config/find.ts';
import { loadConfig } from '../../config/load.ts';
import type { WeldrError } from '../../core/errors.ts';
import type { Overrides, Settings } from '../../core/settings/settings.ts';
import { suite } from '../support/suite.ts';
import { rejectionOf } from '../support/weldr-error.ts';
import { inFolder } from './config-folder.ts';

const test = suite('config files', { ownProcess: true });

const addressesOf = ({ listen }: Settings) => listen.map(({ address }) => address);

const load = (name: string, text: string, overrides: Overrides = {}) =>
  inFolder({ [name]: text }, folder => loadConfig(join(folder, name), overrides));

const problemOf = (name: string, text: string): Promise<WeldrError> => rejectionOf(load(name, text));

const typescript = (fields: string) => `
  import { defineConfig, type WeldrConfig } from 'weldr';
  import { roundRobin, stats } from 'weldr/plugins';
  const config: WeldrConfig = { listen: ':8080', plugins: [roundRobin(), stats()], ${fields} };
  export default defineConfig(config);`;
const javascript = typescript('').replace(', type WeldrConfig', '').replace(': WeldrConfig', '');
const json = '{"listen": ":8080", "plugins": ["roundRobin", {"stats": {"interval": "1s"}}]}';
const yaml = 'listen: ":8080"\nplugins:\n  - roundRobin\n  - stats:\n      interval: 1s\n';

const kinds = {
  'weldr.config.ts': typescript(''),
  'weldr.config.mts': typescript(''),
  'weldr.config.js': javascript,
  'weldr.config.mjs': javascript,
  'weldr.config.json': json,
  'weldr.config.yaml': yaml,
};

test('reads TypeScript as ES modules where package.json says commonjs, as npm init writes it', async () => {
  const files = {
    'package.json': '{ "type": "commonjs" }',
    'port.ts': "export const port: string = ':8081';",
    'weldr.config.ts': `
      import { defineConfig } from 'weldr';
      import { port } from './port.ts';
      export default defineConfig({ listen: port, plugins: [] });`,
  };
  const { settings } = await inFolder(files, folder => loadConfig(join(folder, 'weldr.config.ts'), {}));
  assert.equal(addressesOf(settings), ['0.0.0.0:8081']);
});

for (const [name, text] of Object.entries(kinds)) {
  test(`reads ${name}, and fills in the defaults`, async () => {
    const { settings, plugins } = await load(name, text);
    assert.equal(addressesOf(settings), ['0.0.0.0:8080']);
    assert.is(settings.workers, 'auto');
    assert.is(settings.timeouts.connect, 5000);
    assert.equal(
      plugins.map(plugin => plugin.name),
      ['round-robin', 'stats'],
    );
  });
}

test('finds the first of the names in the folder, in their order', async () => {
  const names = [...searchPlaces];
  await inFolder(Object.fromEntries(names.map(name => [name, ''])), async folder => {
    for (const name of names) {
      assert.is(findConfig(undefined, folder), join(folder, name));
      rmSync(join(folder, name));
    }
    assert.throws(
      () => findConfig(undefined, folder),
      /create one with weldr init, or name one with --config FILE/,
    );
  });
});

test('takes a named file relative to the folder, without looking for others', () => {
  assert.is(findConfig('x/my.json', '/srv'), '/srv/x/my.json');
  assert.is(findConfig('/etc/weldr.yaml', '/srv'), '/etc/weldr.yaml');
});

const wrong: Record<string, [text: string, message: string]> = {
  'an option of a plugin': [
    `import { roundRobin, healthCheck } from 'weldr/plugins';
     export default { plugins: [roundRobin(), healthCheck({ interval: 'soon' })] };`,
    'weldr.config.ts: plugins[1].interval: expected a duration such as "30s", got "soon"',
  ],
  'an unknown option of a plugin': [
    `import { roundRobin } from 'weldr/plugins';
     export default { plugins: [roundRobin({ colour: 'red' })] };`,
    'weldr.config.ts: plugins[0].colour: there is no such option',
  ],
  'a setting': [
    `export default { timeouts: { connect: 'soon' }, plugins: [] };`,
    'weldr.config.ts: timeouts.connect: expected a duration such as "30s", got "soon"',
  ],
  'an unknown setting': [
    `export default { lisen: ':80', plugins: [] };`,
    'weldr.config.ts: lisen: there is no such option; did you mean listen?',
  ],
  'a server': [
    `export default { servers: ['http://a', 'ftp://b'], plugins: [] };`,
    'weldr.config.ts: servers[1].url: "ftp://b" is not a server\'s URL',
  ],
  'a plugin that was not called': [
    `import { roundRobin } from 'weldr/plugins'; export default { plugins: [roundRobin] };`,
    'weldr.config.ts: plugins[0]: expected a plugin such as roundRobin(), got the function of round-robin: call it',
  ],
  'an object that is no plugin': [
    'export default { plugins: [{ nam: 1 }] };',
    'weldr.config.ts: plugins[0]: expected a plugin such as roundRobin(), got {"nam":1}',
  ],
  'a plugin twice': [
    `import { roundRobin } from 'weldr/plugins'; export default { plugins: [roundRobin(), roundRobin()] };`,
    'weldr.config.ts: plugins[1]: plugins[0] is named round-robin already',
  ],
  'no plugins': ['export default {};', 'weldr.config.ts: plugins: expected array, got nothing'],
  'no default export': [
    'export const config = {};',
    'weldr.config.ts exports no config; write export default defineConfig(',
  ],
  'a syntax error': ['export default {\n  plugins: [[,\n};', 'weldr.config.ts:3:1: Expression expected'],
  'a missing import': [
    "import './nowhere.ts'; export default { plugins: [] };",
    'weldr.config.ts: it imports ./nowhere.ts, which does not exist',
  ],
};

for (const [what, [text, message]] of Object.entries(wrong)) {
  test(`names file and field of ${what}`, async () => {
    const error = await problemOf('weldr.config.ts', text);
    assert.is(error.code, 'CONFIG_INVALID');
    assert.match(error.message, message);
  });
}

test('reports all problems at once, each with the name of the file', async () => {
  const error = await problemOf(
    'weldr.config.ts',
    `export default { trace: 'yes', drainTimeout: 'soon', plugins: [] };`,
  );
  assert.equal(error.message.split('\n').sort(), [
    'weldr.config.ts: drainTimeout: expected a duration such as "30s", got "soon"',
    'weldr.config.ts: trace: expected boolean, got "yes"',
  ]);
});

test('names the plugin that a JSON file misspells, and those that exist', async () => {
  const near = await problemOf('weldr.config.json', '{"plugins": ["roundRobin", "roundRobbin"]}');
  assert.is(
    near.message,
    'weldr.config.json: plugins[1]: there is no plugin "roundRobbin"; did you mean "roundRobin"?',
  );
  const far = await problemOf('weldr.config.json', '{"plugins": ["kubernetes"]}');
  assert.match(
    far.message,
    /^weldr\.config\.json: plugins\[0\]: there is no plugin "kubernetes"; known: .*stats/,
  );
});

test('names the field of a wrong option in a YAML file', async () => {
  const error = await problemOf('weldr.config.yaml', 'plugins:\n  - stats:\n      interval: soon\n');
  assert.match(error.message, 'weldr.config.yaml: plugins[0].stats.interval: expected a duration');
});

test('takes the $schema by which editors know a JSON file, and no other key', async () => {
  const withSchema = (text: string) => text.replace('{', '{"$schema": "./weldr.schema.json", ');
  const { plugins } = await load('weldr.config.json', withSchema(json));
  assert.is(plugins.length, 2);
  const commented = `# yaml-language-server: $schema=./weldr.schema.json\n${yaml}`;
  assert.is((await load('weldr.config.yaml', commented)).plugins.length, 2);
  const error = await problemOf('weldr.config.json', withSchema('{"$shema": 1, "plugins": []}'));
  assert.is(error.message, 'weldr.config.json: $shema: there is no such option');
});

test('parses options that a YAML file repeats by an alias once, and names their first place', async () => {
  const text = (rate: string) => `plugins:
  - when: { match: { path: /a }, plugins: [&slow { rateLimit: { rate: ${rate} } }] }
  - when: { match: { path: /b }, plugins: [*slow] }
`;
  const { plugins } = await load('weldr.config.yaml', text('1'));
  assert.is(plugins.length, 4);
  const error = await problemOf('weldr.config.yaml', text('0'));
  assert.match(error.message, /^weldr\.config\.yaml: plugins\[0\]\.when\.plugins\[0\]\.rateLimit\.rate: /);
});

test('says where a JSON file is broken', async () => {
  const error = await problemOf('weldr.config.json', '{"plugins": [}');
  assert.match(error.message, /^weldr\.config\.json:1:14: Unexpected token '\}'\n/);
});

test('prefers overrides to the file', async () => {
  const { settings } = await load('weldr.config.json', json, {
    listen: ['127.0.0.1:1'],
    workers: 3,
    logLevel: 'debug',
  });
  assert.equal(addressesOf(settings), ['127.0.0.1:1']);
  assert.is(settings.workers, 3);
  assert.is(settings.logLevel, 'debug');
});

test('reads a changed file again, with the modules that it imports', async () => {
  await inFolder({}, async folder => {
    const path = join(folder, 'weldr.config.mjs');
    writeFileSync(path, "import { via } from './via.mjs'; export default { via, plugins: [] };");
    for (const via of ['one', 'two', 'three']) {
      writeFileSync(join(folder, 'via.mjs'), `export const via = '${via}';`);
      assert.is((await loadConfig(path, {})).settings.via, via);
    }
  });
});
