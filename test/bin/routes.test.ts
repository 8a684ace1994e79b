// weldr routes, and routes in the files of weldr apply and get.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('weldr routes', { timeoutMs: 240_000 });

const config = (adminPort: number) => `
import { defineConfig } from 'weldr';
import { adminApi, roundRobin, routes } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 1, pools: { blue: [], green: [] },
  plugins: [
    routes([{ name: 'shop', host: 'shop.example', path: '/shop/*', method: 'GET', pool: 'blue', when: () => true }]),
    roundRobin(), adminApi({ listen: '127.0.0.1:${adminPort}' }),
  ],
});`;

let weldr: TestWeldr;

test.before(async () => {
  weldr = await startWeldr({ config: config(await freePort()) });
});
test.after(async () => {
  await weldr.stop();
});

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runWeldr(args, { env: { WELDR_ADMIN: weldr.adminUrl } });
  return code === 0 ? stdout.trim() : `${code}: ${stderr.trim()}`;
}

test('routes are listed, set, tested, removed and reset', async () => {
  assert.match(
    await run('routes'),
    /^shop +shop\.example\/shop\/\* method \(when in code\) +pool blue +0 +config +-$/m,
  );
  assert.is(
    await run(
      'routes',
      'set',
      'api',
      '--host',
      'a.test,b.test',
      '--path',
      '/api/*',
      '--pool',
      'green',
      '--strip-prefix',
      '/api',
    ),
    'api (api) leads a.test,b.test/api/* to pool green',
  );
  assert.is(
    await run('routes', 'set', 'api', '--split', 'blue=5,green=95', '--priority', '2'),
    'api (api) leads a.test,b.test/api/* to pools blue=5,green=95',
  );
  assert.is(
    await run('routes', 'test', 'GET', 'https://a.test/api/x', '-H', 'X-A: 1', '-H', 'X-B: 2'),
    'api: to pools blue=5,green=95 as /x',
  );
  assert.is(
    await run('routes', 'test', 'post', 'http://shop.example/shop/x'),
    'not shop: method\nno route: to pool default',
  );
  assert.match(
    await run('routes', 'set', 'old', '--value', '{"path":"/old/*","redirect":{"to":"/new/$1"}}'),
    /to a redirect to \/new\/\$1/,
  );
  assert.is(await run('routes', 'test', 'GET', '/old/x'), 'old: to a redirect (302) to /new/x');
  assert.match(await run('pools', 'remove', 'green'), /route api leads to the pool green/);
  assert.match(await run('pools', 'remove', 'green', '--force'), /is removed/);
  assert.match(await run('routes'), /api: there is no pool green/);
  assert.match(await run('pools', 'add', 'green'), /is set/);
  assert.match(await run('routes', 'set', 'shop', '--pool', 'green'), /to pool green/);
  assert.match(await run('routes', 'reset', 'shop', '--field', 'pool'), /to pool blue/);
  assert.is(await run('routes', 'remove', 'api'), 'the route api is removed');
  assert.match(await run('routes', 'remove', 'api'), /^1: .*there is no route api/);
  for (const wrong of [
    ['api'],
    ['api', '--split', 'blue'],
    ['api', '--priority', 'x'],
    ['api', '--value', '{'],
  ]) {
    assert.match(await run('routes', 'set', ...wrong), /^2: /, wrong.join(' '));
  }
  await run('routes', 'remove', 'old');
});

test('a file of weldr apply names routes, and weldr get prints one', async () => {
  const file = join(weldr.folder, 'state.yaml');
  const apply = async (text: string, ...flags: string[]) => {
    writeFileSync(file, text);
    return await run('apply', '-f', file, ...flags);
  };
  const routes = `
pools: { blue: [], green: [], next: [] }
routes:
  - { name: one, path: /one, pool: next }
  - { name: two, path: /two, reply: { status: 204 } }
  - { name: shop, host: shop.example, path: /shop/*, method: GET, pool: blue }
`;
  assert.is(
    await apply(routes),
    '+ pool next\n+ route one\n+ route two\n3 to add, 0 to change, 0 to remove: done',
  );
  assert.is(await apply(routes, '--prune'), 'nothing differs');
  assert.is(await apply(await run('get'), '--prune'), 'nothing differs');
  const other = routes
    .replace('pool: next', 'split: { blue: 1 }')
    .replace(/.*two.*\n/, '')
    .replace(', next: []', '');
  assert.is(
    await apply(other, '--prune'),
    [
      '~ route one: pool "next" -> none',
      '~ route one: split none -> {"blue":1}',
      '- route two',
      '- pool next',
      '0 to add, 1 to change, 2 to remove: done',
    ].join('\n'),
  );
});
