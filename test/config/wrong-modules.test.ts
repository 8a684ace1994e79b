// Errors for a config in code that cannot be imported: one sentence with file, line and remedy.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { suite } from '../support/suite.ts';
import { makeFolder } from '../support/weldr.ts';
import { refusal } from './config-folder.ts';

const test = suite('a config in code that is wrong', { ownProcess: true });

const write = 'write export default defineConfig({ plugins: [roundRobin()] })';

const wrong: Readonly<Record<string, [said: string, text: string, more?: Readonly<Record<string, string>>]>> =
  {
    'invalid TypeScript': [
      'weldr.config.ts:2:21: Expression expected\n    export const port = ;\n                        ^',
      'export {};\nexport const port = ;\n',
    ],
    'TypeScript beyond types': [
      'weldr.config.ts:1:1: enum is more than a type, and Node only strips types; write it as JavaScript\n    enum A { x }\n    ^',
      'enum A { x }\n',
    ],
    'a fault in an imported file': [
      'port.ts:1:21: Expression expected\n    export const port = ;\n                        ^',
      "import './port.ts';",
      { 'port.ts': 'export const port = ;\n' },
    ],
    'an import of a file that does not exist': [
      'weldr.config.ts: it imports ./nowhere.ts, which does not exist',
      "import './nowhere.ts';",
    ],
    'an import without its suffix': [
      'weldr.config.ts: it imports ./port, which does not exist; did you mean ./port.ts?',
      "import './port';",
      { 'port.ts': '' },
    ],
    'an import with the suffix of built files': [
      'weldr.config.ts: it imports ./port.js, which does not exist; did you mean ./port.ts?',
      "import './port.js';",
      { 'port.ts': '' },
    ],
    'a missing import of an imported file': [
      'port.ts: it imports ./deep.ts, which does not exist',
      "import './port.ts';",
      { 'port.ts': "import './deep.ts';" },
    ],
    'a package that is not installed': [
      'weldr.config.ts: the package weldr-plugin-x is not installed; run npm install weldr-plugin-x in $D',
      "import 'weldr-plugin-x';",
    ],
    'a part that Weldr does not have': [
      'weldr.config.ts: the package weldr has nothing named weldr/plugin; did you mean weldr/plugins?',
      "import 'weldr/plugin';",
    ],
    'a misspelt plugin': [
      "weldr.config.ts:1:10: weldr/plugins exports no roundrobin; did you mean roundRobin?\n    import { roundrobin } from 'weldr/plugins';\n             ^",
      "import { roundrobin } from 'weldr/plugins';\nroundrobin();",
    ],
    'a name from the wrong part of Weldr': [
      "weldr.config.ts:1:10: weldr/plugins exports no defineConfig; weldr does\n    import { defineConfig } from 'weldr/plugins';\n             ^",
      "import { defineConfig } from 'weldr/plugins';\ndefineConfig({});",
    ],
    'a name that an own file does not export': [
      "weldr.config.ts:1:10: ./port.ts exports no prt\n    import { prt } from './port.ts';\n             ^",
      "import { prt } from './port.ts';\nprt;",
      { 'port.ts': 'export const port = 1;' },
    ],
    'a plugin that is not imported': [
      "weldr.config.ts:1:27: roundRobin is not imported; add import { roundRobin } from 'weldr/plugins'",
      'export default { plugins: [roundRobin()] };',
    ],
    'a circle of imports': [
      "a.ts:2:18: Cannot access 'base' before initialization: two files that import each other, or a use before the declaration",
      "import { a } from './a.ts';\nexport const base = 1;\nexport default { plugins: [], workers: a };",
      { 'a.ts': "import { base } from './weldr.config.ts';\nexport const a = base + 1;\n" },
    ],
    'CommonJS in TypeScript': [
      'weldr.config.ts:1:1: module is not defined in ES module scope; write export default { … }',
      'module.exports = { plugins: [] };',
    ],
    'require in TypeScript': [
      'weldr.config.ts:1:15: there is no require here; write import … from …',
      "const weldr = (require)('weldr');\nexport default { plugins: [] };",
    ],
    'an import of a folder': [
      'weldr.config.ts: it imports ./node_modules, which is a folder',
      "import './node_modules';",
    ],
    'an import of JSON without its type': [
      "weldr.config.ts: a JSON file is imported without its type; write import … from '….json' with { type: 'json' }",
      "import './x.json';",
      { 'x.json': '{}' },
    ],
    'an error from a getter of the config': [
      'weldr.config.ts:1:39: no port',
      "export default { get listen() { throw new Error('no port'); }, plugins: [] };",
    ],
    'two stores': [
      'weldr.config.ts: plugins[1]: plugins[0] keeps what operators change already; take one of them out',
      "import { etcd, poolFile } from 'weldr/plugins'; export default { plugins: [poolFile(), etcd()] };",
    ],
    'an empty id': [
      'weldr.config.ts: plugins[0].id: expected text, got ""',
      "import { withId } from 'weldr'; export default { plugins: [withId('', { name: 'x' })] };",
    ],
    'an error that the config throws': ['weldr.config.ts:1:7: no DB_URL', "throw new Error('no DB_URL');"],
    'the causes of a thrown error': [
      'weldr.config.ts:1:7: no secrets: away: ECONNREFUSED',
      "throw new Error('no secrets', { cause: new Error('away', { cause: new Error('ECONNREFUSED') }) });",
    ],
    'the errors of an AggregateError': [
      'weldr.config.ts:1:7: one; two',
      "throw new AggregateError([new Error('one'), new Error('two')]);",
    ],
    'a thrown text': ['weldr.config.ts: no DB_URL', "throw 'no DB_URL';"],
    'a thrown undefined': ['weldr.config.ts: undefined was thrown', 'throw undefined;'],
    'the issues of zod': [
      'weldr.config.ts:1:69: a: expected string, received number; b: expected number, received undefined',
      "import { z } from 'zod'; z.object({ a: z.string(), b: z.number() }).parse({ a: 1 });",
    ],
    'a promise that fails': [
      'weldr.config.ts: the promise that it exports failed: the vault is sealed',
      "export default Promise.reject(new Error('the vault is sealed'));",
    ],
    'no export': [`weldr.config.ts exports no config; ${write}`, 'export const config = {};'],
    'an empty file': [`weldr.config.ts exports no config; ${write}`, ''],
    'an export of nothing': [
      `weldr.config.ts exports nothing, which is not a config; ${write}`,
      'export default undefined;',
    ],
    'an export of a function': [
      `weldr.config.ts exports a function, which is not a config; ${write}`,
      'export default () => ({ plugins: [] });',
    ],
    'an export of a list': [
      `weldr.config.ts exports [], which is not a config; ${write}`,
      'export default [];',
    ],
    'a list within the plugins': [
      'weldr.config.ts: plugins[0]: expected a plugin such as roundRobin(), got a list; write ...list to put its plugins in here',
      "import { roundRobin } from 'weldr/plugins'; export default { plugins: [[roundRobin()]] };",
    ],
    'a promise of a plugin': [
      'weldr.config.ts: plugins[0]: expected a plugin such as roundRobin(), got a promise; await it before the config is exported',
      'export default { plugins: [Promise.resolve()] };',
    ],
    'the name of a plugin in code': [
      'weldr.config.ts: plugins[0]: there is no plugin "roundRobin" in define; in code a plugin is called: roundRobin()',
      "export default { plugins: ['roundRobin'] };",
    ],
    'a plugin without a name': [
      'weldr.config.ts: plugins[0]: expected a plugin such as roundRobin(), got a plugin without a name; give it one',
      'export default { plugins: [{ worker() {} }] };',
    ],
    'a name that no pool can have': [
      'weldr.config.ts: pools.a b: the name is wrong: expected letters, digits, "_", "." and "-", at most 63',
      "export default { plugins: [], pools: { 'a b': [] } };",
    ],
  };

for (const [what, [said, text, more]] of Object.entries(wrong)) {
  test(`explains ${what}`, async () => {
    assert.is(await refusal('weldr.config.ts', { 'weldr.config.ts': text, ...more }), said);
  });
}

test('says where JavaScript is broken, which Node shows on terminals only', async () => {
  const files = { 'weldr.config.mjs': "export default {\n  listen ':80',\n};\n" };
  assert.is(
    await refusal('weldr.config.mjs', files),
    "weldr.config.mjs:2:10: Unexpected string\n      listen ':80',\n             ^",
  );
});

test('says that types are for TypeScript', async () => {
  const files = { 'weldr.config.js': "const a: string = 'x';\nexport default {};\n" };
  assert.match(
    await refusal('weldr.config.js', files),
    /^weldr\.config\.js:1:7: .*; types are for \.ts files only\n/,
  );
});

test('bounds the length of a message', async () => {
  const said = await refusal('weldr.config.ts', { 'weldr.config.ts': "throw new Error('x'.repeat(1e6));" });
  assert.ok(said.length < 3_000);
  assert.match(said, /x… \(1000000 characters\)$/);
});

test('shows no internal mark of a reading in errors at a reload', async () => {
  const texts = [
    "import './nowhere.ts';",
    "throw new Error('no');",
    'export const = 1;',
    "import { x } from './a.ts';",
  ];
  for (const text of texts) {
    const said = await refusal('weldr.config.ts', { 'weldr.config.ts': text, 'a.ts': '' });
    assert.not.match(said, 'weldr-reading');
  }
});

test('says that the file does not exist', async () => {
  assert.is(await refusal('nope.ts', {}), 'there is no file $D/nope.ts; name the config with --config FILE');
});

test('says that a folder is not a config', async () => {
  const folder = makeFolder();
  mkdirSync(join(folder, 'weldr.config.ts'));
  try {
    await loadConfig(join(folder, 'weldr.config.ts'), {});
    assert.unreachable();
  } catch (thrown) {
    assert.match(String(thrown), /weldr\.config\.ts is a folder; name the config file in it with --config$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('says that this user may not read the file', async () => {
  const folder = makeFolder();
  const path = join(folder, 'weldr.config.json');
  writeFileSync(path, '{"plugins": []}');
  chmodSync(path, 0o000);
  const user = process.geteuid?.();
  // Root may read everything.
  if (user === 0) process.seteuid?.(65534);
  try {
    await loadConfig(path, {});
    assert.unreachable();
  } catch (thrown) {
    assert.match(String(thrown), /may not be read by this user; make it readable, or start as its owner$/);
  } finally {
    if (user === 0) process.seteuid?.(0);
    rmSync(folder, { recursive: true });
  }
});
