// weldr apply, get and pools against a running Weldr.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('weldr apply', { timeoutMs: 240_000 });

const config = (adminPort: number) => `
import { defineConfig } from 'weldr';
import { adminApi, rateLimit, roundRobin, routes } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 1,
  servers: [{ url: 'http://127.0.0.1:1001', weight: 2 }, 'http://127.0.0.1:1002'],
  define: { limited: rateLimit({ rate: 1000 }) },
  plugins: [routes([]), roundRobin(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
});`;

let weldr: TestWeldr;

test.before(async () => {
  weldr = await startWeldr({ config: config(await freePort()) });
});
test.after(async () => {
  await weldr.stop();
});

async function run(args: readonly string[]) {
  return await runWeldr(args, { env: { WELDR_ADMIN: weldr.adminUrl } });
}

function fileOf(text: string): string {
  const path = join(weldr.folder, 'state.yaml');
  writeFileSync(path, text);
  return path;
}

const yaml = `
servers:
  - url: http://127.0.0.1:1001
    weight: 5
  - http://127.0.0.1:1003
pools:
  api:
    fallback: default
    servers: [http://127.0.0.1:2001]
`;

test('shows the changes with exit code 1, applies them, and then finds none', async () => {
  const file = fileOf(yaml);
  const dry = await run(['apply', '-f', file, '--dry-run']);
  assert.is(dry.code, 1, dry.stderr);
  assert.equal(dry.stdout.trim().split('\n'), [
    '+ pool api',
    '~ server default/http://127.0.0.1:1001: weight 2 -> 5',
    '+ server default/http://127.0.0.1:1003',
    '+ server api/http://127.0.0.1:2001',
    '3 to add, 1 to change, 0 to remove; nothing was changed',
  ]);
  const done = await run(['apply', '--file', file]);
  assert.equal(
    [done.code, done.stdout.trim().split('\n').at(-1)],
    [0, '3 to add, 1 to change, 0 to remove: done'],
  );
  const again = await run(['apply', '-f', file, '--dry-run']);
  assert.equal([again.code, again.stdout.trim()], [0, 'nothing differs']);
  assert.match((await run(['servers'])).stdout, /^http:\/\/127.0.0.1:1001 +active +5 +- +config +weight/m);
  assert.match((await run(['pools'])).stdout, /^api +1 +1 +api +- +default/m);
});

test('removes with --prune what the file does not name', async () => {
  const file = fileOf('servers: [http://127.0.0.1:1002]\n');
  const done = await run(['apply', '-f', file, '--prune']);
  assert.is(done.code, 0, done.stderr);
  assert.match(done.stdout, '- server default/http://127.0.0.1:1001');
  const left = JSON.parse((await run(['get'])).stdout);
  assert.equal(left, { pools: { default: { servers: [{ url: 'http://127.0.0.1:1002' }] } }, routes: [] });
});

test('applies more changes than one batch holds, of which later ones need earlier ones', async () => {
  const servers = Array.from({ length: 150 }, (_, n) => `http://127.0.0.1:${3001 + n}`);
  const file = fileOf(`pools: { many: { servers: [${servers.join(', ')}] } }
routes: [{ name: shop, path: /shop, pool: many }]
`);
  const dry = await run(['apply', '-f', file, '--dry-run']);
  assert.equal([dry.code, dry.stderr], [1, '']);
  assert.match(dry.stdout, '152 to add, 0 to change, 0 to remove; nothing was changed');
  const done = await run(['apply', '-f', file]);
  assert.equal([done.code, done.stderr], [0, '']);
  assert.match(done.stdout, '152 to add, 0 to change, 0 to remove: done');
  const gone = await run(['apply', '-f', fileOf('routes: []\n'), '--prune']);
  assert.equal([gone.code, gone.stderr], [0, '']);
  assert.match(gone.stdout, '0 to add, 0 to change, 152 to remove: done');
});

test('applies and prunes a long chain of fallbacks, whatever their order in the file', async () => {
  const names = Array.from({ length: 130 }, (_, n) => `chain-${n}`);
  const chain = names.map((name, n) => `  ${name}: { fallback: ${names[n + 1] ?? 'default'} }`);
  for (const pools of [chain, chain.toReversed()]) {
    const done = await run(['apply', '-f', fileOf(`pools:\n${pools.join('\n')}\n`)]);
    assert.equal([done.code, done.stderr], [0, '']);
    assert.match(done.stdout, '130 to add, 0 to change, 0 to remove: done');
    assert.match((await run(['pools'])).stdout, /^chain-99 .* chain-100\b/m);
    const gone = await run(['apply', '-f', fileOf('routes: []\n'), '--prune']);
    assert.equal([gone.code, gone.stderr], [0, '']);
    assert.match(gone.stdout, '0 to add, 0 to change, 130 to remove: done');
  }
});

test('refuses fallbacks that form a cycle, and accepts a chain that turns round', async () => {
  const cycle = await run(['apply', '-f', fileOf('pools: { a: { fallback: b }, b: { fallback: a } }\n')]);
  assert.is(cycle.code, 2);
  assert.match(cycle.stderr, 'fallback: forms a cycle: ');
  await run(['apply', '-f', fileOf('pools: { a: { fallback: b }, b: [] }\n')]);
  const turned = await run([
    'apply',
    '-f',
    fileOf('pools: { a: { fallback: default }, b: { fallback: a } }\n'),
  ]);
  assert.equal([turned.code, turned.stderr], [0, '']);
  await run(['apply', '-f', fileOf('routes: []\n'), '--prune']);
});

test('accepts the output of weldr get', async () => {
  await run(['pools', 'add', 'shop', '--plugins', 'limited']);
  assert.equal(JSON.parse((await run(['get'])).stdout).pools.shop, { plugins: ['limited'], servers: [] });
  const file = fileOf((await run(['get'])).stdout);
  const { code, stdout } = await run(['apply', '-f', file, '--dry-run', '--prune']);
  assert.equal([code, stdout.trim()], [0, 'nothing differs']);
  await run(['pools', 'remove', 'shop']);
});

test('an invalid file is named with the place of the mistake and exit code 2, and changes nothing', async () => {
  for (const [text, words] of [
    ['rules: []', 'rules'],
    ['servers: [nowhere]', 'nowhere'],
    ['servers: [http://a:1, http://a:1]', 'twice'],
    ['servers: [{ url: http://127.0.0.1:1009 }, { url: http://a:1, weight: heavy }]', 'weight'],
    ['servers: [', 'cannot read'],
  ] as const) {
    const { code, stderr } = await run(['apply', '-f', fileOf(text)]);
    assert.is(code, 2, text);
    assert.match(stderr, words);
  }
  assert.not.match((await run(['servers'])).stdout, '1009');
  assert.match((await run(['apply'])).stderr, 'which file?');
  assert.is((await run(['apply', '-f', 'missing.yaml'])).code, 2);
});

test('pools are added, reset and removed', async () => {
  assert.match((await run(['pools', 'add', 'shop'])).stdout, 'the pool shop is set');
  assert.match((await run(['pools'])).stdout, /^shop +0 +0 +api/m);
  assert.match((await run(['pools', 'remove', 'shop'])).stdout, 'is removed');
  const refused = await run(['pools', 'remove', 'default']);
  assert.equal([refused.code, refused.stderr.includes('cannot be removed')], [1, true]);
});

test('after servers reset the config applies again', async () => {
  assert.is((await run(['servers', 'drain', 'http://127.0.0.1:1002', '--wait'])).code, 0);
  assert.match((await run(['servers'])).stdout, /1002 +draining +1 +- +config +state/);
  const { stdout } = await run(['servers', 'reset', 'http://127.0.0.1:1002']);
  assert.match(stdout, 'http://127.0.0.1:1002 is active');
  await run(['servers', 'reset', 'http://127.0.0.1:1001']);
  assert.match((await run(['servers'])).stdout, /1001 +active +2 +- +config +-/);
});
