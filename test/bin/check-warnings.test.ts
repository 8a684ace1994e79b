// What `weldr check` warns about, and how it ends whatever the code of a config does.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { makeFolder, runWeldr } from '../support/weldr.ts';

const test = suite('weldr check', { timeoutMs: 300_000, testTimeoutMs: 60_000 });

interface Checked {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  /** $D is the folder of the config. */
  readonly stderr: string;
}

/** Checks a config with these fields and plugins, beside `more` files. */
async function check(
  config: string,
  { env = {}, more = {} }: { env?: Record<string, string>; more?: Record<string, string> } = {},
): Promise<Checked> {
  const folder = makeFolder();
  try {
    for (const [name, text] of Object.entries({ 'weldr.config.ts': config, ...more })) {
      writeFileSync(join(folder, name), text);
    }
    const { code, stdout, stderr } = await runWeldr(['check'], { cwd: folder, env });
    return { code, stdout, stderr: stderr.replaceAll(folder, '$D') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const withFields = (fields: string, plugins = 'roundRobin()') => `
import { defineConfig } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({ ${fields} plugins: [${plugins}] });`;

test('warns about likely mistakes, and exits 0', async () => {
  const fields = "timeouts: { connect: 5 }, servers: [{ url: 'https://10.0.0.7', tls: { verify: false } }],";
  const { code, stdout, stderr } = await check(withFields(fields));
  assert.is(code, 0);
  assert.match(stdout, /is valid: 1 server; plugins: round-robin\n$/);
  assert.equal(stderr.split('\n'), [
    "weldr: warning: weldr.config.ts: timeouts.connect: 5 is 5 ms; write '5s' for seconds, or '5ms' if that is meant",
    'weldr: warning: weldr.config.ts: servers[0].tls.verify: without it, anyone on the network path can pose as https://10.0.0.7; name its authority in tls.ca instead',
    '',
  ]);
});

test('warns about a misspelt variable, and about no other', async () => {
  const env = { WELDR_LISTN: ':0', WELDR_ETCD_PASSWORD: 'x' };
  const { code, stderr } = await check(withFields(''), { env });
  assert.is(code, 0);
  assert.is(
    stderr,
    'weldr: warning: WELDR_LISTN: Weldr reads no such variable; did you mean WELDR_LISTEN?\n',
  );
});

test('warns about a second config that is not read', async () => {
  const { stderr } = await check(withFields(''), { more: { 'weldr.config.yml': 'plugins: []' } });
  assert.is(
    stderr,
    'weldr: warning: weldr.config.yml is not read, because weldr.config.ts exists too; remove one of them, or name one with --config\n',
  );
});

test('warns about a pool that no request can reach', async () => {
  const pools =
    "pools: { default: { servers: [], fallback: 'b' }, a: ['http://10.0.0.1'], b: ['http://10.0.0.2'] },";
  const { code, stderr } = await check(withFields(pools));
  assert.is(code, 0);
  assert.is(
    stderr,
    'weldr: warning: weldr.config.ts: pools.a: no plugin sends requests there, and no pool falls back to it; take it out, or add a route\n',
  );
});

test('does not warn about a pool that a plugin may route to', async () => {
  const routing = `roundRobin(), {
    name: 'routing',
    worker({ hooks, route, pools }) {
      const a = route('a', pools.ensure('a'));
      hooks.route.tap('routing', () => a);
    },
  }`;
  const { code, stderr } = await check(withFields("pools: { a: ['http://10.0.0.1'] },", routing));
  assert.is(stderr, '');
  assert.is(code, 0);
});

test('says why a start would fail on this machine', async () => {
  const fields =
    "listen: ['192.0.2.1:80', 'unix:/nope/a.sock', 'unix:/run/weldr/a.sock'], log: { file: '/nope/a.log' },";
  const { code, stderr } = await check(withFields(fields));
  assert.is(code, 0);
  assert.equal(stderr.split('\n').filter(Boolean), [
    'weldr: warning: weldr.config.ts: listen[0]: a start would fail because this machine has no such address: 192.0.2.1:80',
    'weldr: warning: weldr.config.ts: listen[1]: a start would fail because there is no folder /nope: unix:/nope/a.sock',
    'weldr: warning: weldr.config.ts: log.file: a start would fail because there is no folder /nope',
  ]);
});

const endings: Readonly<Record<string, [code: number, said: string, config: string]>> = {
  'a config that awaits what never comes': [
    78,
    'weldr.config.ts: it awaits something that never comes',
    'await new Promise(() => {}); export default { plugins: [] };',
  ],
  'a config that ends the process': [
    78,
    'weldr.config.ts:1:9: process.exit(3) ends Weldr; throw an Error to refuse to start',
    'process.exit(3);',
  ],
  'a plugin that awaits what never comes': [
    1,
    'plugin stuck did not start: it awaits something that never comes',
    "export default { plugins: [{ name: 'stuck', worker: () => new Promise(() => {}) }] };",
  ],
  'a plugin that ends the process': [
    1,
    'weldr.config.ts:1:65: process.exit(4) ends Weldr; throw an Error to refuse to start',
    "export default { plugins: [{ name: 'leaver', worker() { process.exit(4); } }] };",
  ],
  'an uncaught error': [
    1,
    '$D/weldr.config.ts:1:16: uncaught error: late',
    "Promise.reject(new Error('late')); export default { plugins: [] };",
  ],
};

for (const [what, [code, said, config]] of Object.entries(endings)) {
  test(`ends with one sentence for ${what}`, async () => {
    const checked = await check(config);
    assert.is(checked.stderr, `weldr: ${said}\n`);
    assert.is(checked.code, code);
  });
}

test('ends although the config has a timer', async () => {
  const { code } = await check('setInterval(() => {}, 1000); export default { plugins: [] };');
  assert.is(code, 0);
});

test('names the plugin whose file cannot be used, as a start does', async () => {
  const folder = makeFolder();
  const config = `import { poolFile } from 'weldr/plugins';
    export default { listen: '127.0.0.1:0', workers: 1, plugins: [poolFile({ path: './pool', keyFile: './none/key' })] };`;
  try {
    writeFileSync(join(folder, 'weldr.config.ts'), config);
    for (const command of ['check', 'start']) {
      const { code, stderr } = await runWeldr([command], { cwd: folder });
      assert.is(code, 78, command);
      assert.match(
        stderr,
        /^weldr: plugin pool-file did not start: keyFile: \.\/none\/key cannot be made \(ENOENT/,
      );
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
