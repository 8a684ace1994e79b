// What the manager read is what runs: later workers load the config as it was then, not as the files are now.
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { makeFolder, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('the recording of a config', { timeoutMs: 300_000 });

/** A config that replies with `text`, an expression. */
const config = (text: string, imports = '', worker = '') => `
import { defineConfig, reply } from 'weldr';
${imports}
export default defineConfig({
  listen: '127.0.0.1:0', workers: 1,
  plugins: [{
    name: 'teller',
    async worker({ hooks }) {
      ${worker}
      const said = ${text};
      hooks.request.tap('teller', () => reply(200, String(said)));
    },
  }],
});`;

async function textOf(weldr: TestWeldr): Promise<string> {
  return await (await fetch(weldr.url, { headers: { connection: 'close' } })).text();
}

/** Kills the worker; resolves with the text that its replacement replies with. */
async function textAfterDeath(weldr: TestWeldr): Promise<string> {
  await until('the workers before a reload have ended', () => weldr.workers().length === 1);
  const [old = 0] = weldr.workers();
  process.kill(old, 'SIGKILL');
  await until('the worker is replaced', () => {
    const now = weldr.workers();
    return now.length === 1 && now[0] !== old;
  });
  return await textOf(weldr);
}

async function reload(weldr: TestWeldr): Promise<void> {
  const from = weldr.logs.length;
  weldr.signal('SIGHUP');
  await weldr.logged(({ msg }) => msg === 'reloaded', { from });
}

test('is what a replacement loads after the config was edited', async () => {
  const weldr = await startWeldr({ config: config("'old'") });
  try {
    weldr.writeConfig(config("'new'"));
    assert.is(await textAfterDeath(weldr), 'old');
  } finally {
    await weldr.stop();
  }
});

test('lets a replacement start while the edited file has a syntax error', async () => {
  const weldr = await startWeldr({ config: config("'old'") });
  try {
    weldr.writeConfig('export default {{');
    assert.is(await textAfterDeath(weldr), 'old');
  } finally {
    await weldr.stop();
  }
});

test('lets a replacement start while the files are missing', async () => {
  const weldr = await startWeldr({
    config: config('text', "import { text } from './text.ts';"),
    files: { 'text.ts': "export const text = 'old';" },
  });
  try {
    unlinkSync(join(weldr.folder, 'weldr.config.mjs'));
    renameSync(join(weldr.folder, 'text.ts'), join(weldr.folder, 'other.ts'));
    assert.is(await textAfterDeath(weldr), 'old');
  } finally {
    await weldr.stop();
  }
});

test('is replaced by a reload', async () => {
  const weldr = await startWeldr({
    config: config('text', "import { text } from './text.ts';"),
    files: { 'text.ts': "export const text = 'one';" },
  });
  try {
    for (const text of ['two', 'three']) {
      weldr.write('text.ts', `export const text = '${text}';`);
      await reload(weldr);
      weldr.write('text.ts', 'export const text = ;');
      assert.is(await textOf(weldr), text);
      assert.is(await textAfterDeath(weldr), text);
    }
  } finally {
    await weldr.stop();
  }
});

test('stays when a reload changes nothing', async () => {
  const weldr = await startWeldr({ config: config("'old'") });
  try {
    weldr.writeConfig(config("'new'", "throw new Error('not today');"));
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg.startsWith('the reload changed nothing'));
    assert.is(await textAfterDeath(weldr), 'old');
  } finally {
    await weldr.stop();
  }
});

/** Kinds of import: the code that imports `text`, its module's file, and the source of that. */
const kinds: Record<string, { code: string; file: string; text: (value: string) => string }> = {
  relative: {
    code: "import { text as relative } from './relative.ts';",
    file: 'relative.ts',
    text: value => `export const text: string = '${value}';`,
  },
  through: {
    code: "import { text as through } from './through.ts';",
    file: 'behind.ts',
    text: value => `export const text: string = '${value}';`,
  },
  dynamic: {
    code: "const { text: dynamic } = await import('./dynamic.mjs');",
    file: 'dynamic.mjs',
    text: value => `export const text = '${value}';`,
  },
  byUrl: {
    code: "const { text: byUrl } = await import(new URL('./by-url.mjs?a=1', import.meta.url).href);",
    file: 'by-url.mjs',
    text: value => `export const text = '${value}';`,
  },
  resolved: {
    code: "const { text: resolved } = await import(import.meta.resolve('./resolved.mjs'));",
    file: 'resolved.mjs',
    text: value => `export const text = '${value}';`,
  },
  absolute: {
    code: "const { text: absolute } = await import(import.meta.dirname + '/absolute.mjs');",
    file: 'absolute.mjs',
    text: value => `export const text = '${value}';`,
  },
  json: {
    code: "import data from './data.json' with { type: 'json' }; const json = data.text;",
    file: 'data.json',
    text: value => JSON.stringify({ text: value }),
  },
  commonJs: {
    code: "import { text as commonJs } from './imported.cjs';",
    file: 'imported.cjs',
    text: value => `exports.text = '${value}';`,
  },
  withoutExtension: {
    code: "import { text as withoutExtension } from './through.cjs';",
    file: 'without-extension.js',
    text: value => `exports.text = '${value}';`,
  },
  required: {
    code: "const { text: required } = createRequire(import.meta.url)('./required.cjs');",
    file: 'required.cjs',
    text: value => `exports.text = '${value}';`,
  },
  requiredJson: {
    code: "const { text: requiredJson } = createRequire(import.meta.url)('./required.json');",
    file: 'required.json',
    text: value => JSON.stringify({ text: value }),
  },
};

test('contains the module of each kind of import', async () => {
  const names = Object.keys(kinds);
  const codes = Object.values(kinds).map(({ code }) => code);
  const filesWith = (value: string) =>
    Object.fromEntries(Object.values(kinds).map(({ file, text }) => [file, text(value)]));
  const weldr = await startWeldr({
    config: config(
      `JSON.stringify({ ${names.join(', ')} })`,
      ["import { createRequire } from 'node:module';", ...codes].join('\n'),
    ),
    files: {
      ...filesWith('one'),
      'through.ts': "export { text } from './behind.ts';",
      'through.cjs': "exports.text = require('./without-extension').text;",
    },
  });
  const all = (value: string) => Object.fromEntries(names.map(name => [name, value]));
  try {
    assert.equal(JSON.parse(await textOf(weldr)), all('one'));
    for (const [file, text] of Object.entries(filesWith('two'))) weldr.write(file, text);
    assert.equal(JSON.parse(await textAfterDeath(weldr)), all('one'));
    await reload(weldr);
    assert.equal(JSON.parse(await textOf(weldr)), all('two'));
    for (const file of Object.keys(filesWith(''))) unlinkSync(join(weldr.folder, file));
    assert.equal(JSON.parse(await textAfterDeath(weldr)), all('two'));
  } finally {
    await weldr.stop();
  }
});

const moduleConfigs: Record<string, (text: string) => string> = {
  'my.mts': text => config(`${text} as string`),
  'my.js': text => config(text),
  'my.mjs': text => config(text),
};

for (const [name, text] of Object.entries(moduleConfigs)) {
  test(`contains a ${name}`, async () => {
    const weldr = await startWeldr({
      config: '',
      files: { [name]: text("'old'"), 'package.json': '{ "type": "module" }' },
      args: ['--config', name],
    });
    try {
      weldr.write(name, text("'new'"));
      assert.is(await textAfterDeath(weldr), 'old');
    } finally {
      await weldr.stop();
    }
  });
}

const dataConfigs: Record<string, (plugins: string) => string> = {
  'my.json': plugins => JSON.stringify({ listen: '127.0.0.1:0', workers: 1, plugins: JSON.parse(plugins) }),
  'my.yaml': plugins => `listen: 127.0.0.1:0\nworkers: 1\nplugins: ${plugins}\n`,
};

for (const [name, text] of Object.entries(dataConfigs)) {
  test(`contains a ${name}`, async () => {
    const denied = text('[{"ipFilter": {"deny": ["127.0.0.1"]}}, "roundRobin"]');
    const weldr = await startWeldr({ config: '', files: { [name]: denied }, args: ['--config', name] });
    const status = async () => (await fetch(weldr.url, { headers: { connection: 'close' } })).status;
    try {
      assert.is(await status(), 403);
      weldr.write(name, text('["roundRobin"]'));
      await textAfterDeath(weldr);
      assert.is(await status(), 403);
      await reload(weldr);
      unlinkSync(join(weldr.folder, name));
      await textAfterDeath(weldr);
      assert.is(await status(), 503);
    } finally {
      await weldr.stop();
    }
  });
}

test('contains a config behind a symbolic link that leads elsewhere now', async () => {
  const folder = makeFolder();
  for (const name of ['one', 'two']) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'text.ts'), `export const text = '${name}';`);
    writeFileSync(join(folder, name, 'my.config.ts'), config('text', "import { text } from './text.ts';"));
  }
  symlinkSync('one', join(folder, 'current'));
  const linked = await startWeldr({
    config: config("'unused'"),
    folder,
    args: ['--config', 'current/my.config.ts'],
  });
  try {
    unlinkSync(join(folder, 'current'));
    symlinkSync('two', join(folder, 'current'));
    assert.is(await textAfterDeath(linked), 'one');
    await reload(linked);
    assert.is(await textAfterDeath(linked), 'two');
  } finally {
    await linked.stop();
    rmSync(folder, { recursive: true });
  }
});

test('contains TypeScript from a folder that package.json declares as commonjs', async () => {
  const weldr = await startWeldr({
    config: config('text', "import { text } from './text.ts';"),
    files: { 'package.json': '{ "type": "commonjs" }', 'text.ts': "export const text: string = 'old';" },
  });
  try {
    weldr.write('text.ts', "export const text: string = 'new';");
    assert.is(await textAfterDeath(weldr), 'old');
  } finally {
    await weldr.stop();
  }
});

test('keeps real paths in import.meta and stacks', async () => {
  const weldr = await startWeldr({
    config: config("[import.meta.url, import.meta.dirname, new Error('here').stack].join('\\n')"),
  });
  try {
    const text = await textOf(weldr);
    assert.is(text.split('\n')[0], `file://${weldr.folder}/weldr.config.mjs`);
    assert.is(text.split('\n')[1], weldr.folder);
    assert.match(text, /\/weldr\.config\.mjs:\d+:\d+/);
    await reload(weldr);
    assert.is(await textAfterDeath(weldr), text);
  } finally {
    await weldr.stop();
  }
});

test('does not show its reading mechanism in the error of an invalid module', async () => {
  const weldr = await startWeldr({ config: config("'old'") });
  try {
    weldr.writeConfig('export default {\n  plugins: [[,\n};');
    weldr.signal('SIGHUP');
    const record = await weldr.logged(({ msg }) => msg.startsWith('the reload changed nothing'));
    assert.match(record.msg, /: weldr\.config\.mjs:\d+:\d+: Unexpected/);
    assert.not.match(JSON.stringify(record), 'weldr-reading');
  } finally {
    await weldr.stop();
  }
});

test('lets a worker import more from the disk, and logs it once', async () => {
  const worker = "const { text } = await import('./late.ts'); await import('./late.ts');";
  const weldr = await startWeldr({
    config: config('text', '', worker),
    files: {
      'late.ts': "export { text } from './later.ts';",
      'later.ts': "export const text = 'from the disk';",
    },
  });
  try {
    assert.is(await textOf(weldr), 'from the disk');
    const told = weldr.logs.filter(({ msg }) => msg.includes('read from the disk'));
    assert.equal(
      told.map(({ level, module }) => [level, module]),
      [[40, join(weldr.folder, 'late.ts')]],
    );
  } finally {
    await weldr.stop();
  }
});

test('is refused beyond its size limit, with a message', async () => {
  const weldr = await startWeldr({
    config: config("'never'", "import './large.mjs';"),
    files: { 'large.mjs': `/* ${'x'.repeat(33 * 1024 * 1024)} */` },
    noWait: true,
  });
  try {
    assert.is(await weldr.exited, 78);
    assert.match(
      weldr.output,
      'weldr.config.mjs: the config and what it imports by path are larger than 32 MB',
    );
    assert.match(weldr.output, 'large.mjs');
  } finally {
    await weldr.stop();
  }
});
