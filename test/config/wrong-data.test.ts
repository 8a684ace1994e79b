// Errors for a config in JSON or YAML that cannot be parsed: line, column, the line itself and the remedy.
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../config/load.ts';
import { suite } from '../support/suite.ts';
import { inFolder, refusal } from './config-folder.ts';

const test = suite('a config of data that is wrong', { ownProcess: true });

const refusalOf = (name: string, text: string): Promise<string> => refusal(name, { [name]: text });

type Table = Readonly<Record<string, [said: string, text: string]>>;

const json: Table = {
  'a comma at the end of a list': [
    '3:28: JSON has no comma before ]; take it out\n      "plugins": ["roundRobin",],\n                               ^',
    '{\n  "listen": ":0",\n  "plugins": ["roundRobin",],\n}\n',
  ],
  'a comma at the end of an object': [
    '1:16: JSON has no comma before }; take it out\n    {"plugins": [],}\n                   ^',
    '{"plugins": [],}',
  ],
  'a comment': [
    '2:3: JSON has no comments; take this out, or write the config as .yaml or .ts\n      // here\n      ^',
    '{\n  // here\n  "plugins": []\n}\n',
  ],
  'single quotes': [
    "1:3: JSON needs double quotes around texts and keys\n    { 'plugins': [] }\n      ^",
    "{ 'plugins': [] }",
  ],
  'a missing comma': [
    '1:8: Expected \',\' or \'}\' after property value\n    {"a":1 "b":2}\n           ^',
    '{"a":1 "b":2}',
  ],
  'a missing bracket': [
    '1:15: the file ends too early; a ], a } or a " is missing\n    {"plugins": []\n                  ^',
    '{"plugins": []',
  ],
  'a key that is there twice': [
    '1:17: this key occurs twice; take one of them out\n    {"via": false, "via": "x", "plugins": []}\n                    ^',
    '{"via": false, "via": "x", "plugins": []}',
  ],
  'something behind the config': [
    '1:17: Unexpected non-whitespace character\n    {"plugins": []} x\n                    ^',
    '{"plugins": []} x',
  ],
};

for (const [what, [said, text]] of Object.entries(json)) {
  test(`says where a JSON file has ${what}`, async () => {
    assert.is(await refusalOf('weldr.config.json', text), `weldr.config.json:${said}`);
  });
}

const yaml: Table = {
  'a tab': [
    ':3:1: YAML is indented with spaces; replace the tab\n     - roundRobin\n    ^',
    'listen: ":0"\nplugins:\n\t- roundRobin\n',
  ],
  'a key that is there twice': [
    ':3:1: this key occurs twice; take one of them out\n    listen: ":81"\n    ^',
    'listen: ":0"\nplugins: []\nlisten: ":81"\n',
  ],
  'wrong indentation': [
    ':2:2: this is indented differently from the lines before it\n     plugins: []\n     ^',
    '  via: x\n plugins: []\n',
  ],
  'a text that needs quotes': [
    ':1:7: this is indented wrongly, or its text needs quotes\n    via: x: y\n          ^',
    'via: x: y\nplugins: []\n',
  ],
  'an unknown alias': [':1:11: unidentified alias "x"\n    plugins: *x\n              ^', 'plugins: *x\n'],
  'two documents': [
    ': expected one document; take out what comes after ---',
    'plugins: []\n---\nplugins: []\n',
  ],
  'comments alone': [' is empty; a config has at least `plugins`, such as plugins: [roundRobin]', '# soon\n'],
  'a list in place of fields': [
    ' holds [ 1 ], which is not a config; expected fields such as plugins',
    '- 1\n',
  ],
  'a key of its own': [': on: there is no such option; did you mean log?', 'on: true\nplugins: []\n'],
};

for (const [what, [said, text]] of Object.entries(yaml)) {
  test(`says where a YAML file has ${what}`, async () => {
    assert.is(await refusalOf('weldr.config.yaml', text), `weldr.config.yaml${said}`);
  });
}

test('says that a JSON file is empty', async () => {
  assert.is(
    await refusalOf('weldr.config.json', '\n'),
    'weldr.config.json is empty; a config has at least "plugins", such as {"plugins": ["roundRobin"]}',
  );
});

test('takes a JSON file with a byte order mark, and one that is indented with tabs', async () => {
  const text = '\uFEFF{\n\t"plugins": [\n\t\t"stats"\n\t]\n}\n';
  const { plugins } = await inFolder({ 'weldr.config.json': text }, folder =>
    loadConfig(join(folder, 'weldr.config.json'), {}),
  );
  assert.is(plugins.length, 1);
});

test('shows a part of a long line', async () => {
  const said = await refusalOf('weldr.config.json', `{"plugins": [${'"stats",'.repeat(1000)}]}`);
  const [, shown = '', arrow = ''] = said.split('\n');
  assert.ok(shown.length < 130);
  assert.is(shown[arrow.indexOf('^')], ']');
});

test('names the kinds of files that can be configs', async () => {
  assert.is(
    await refusalOf('weldr.toml', ''),
    'weldr.toml is not a config file; expected a .ts, .mts, .js, .mjs, .json, .yaml or .yml file',
  );
});
