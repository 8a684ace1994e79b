// weldr explain: what it prints, and its exit codes.
import * as assert from 'uvu/assert';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('weldr explain', { timeoutMs: 240_000 });

let weldr: TestWeldr;

test.before(async () => {
  weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { adminApi, headers, ipFilter, roundRobin, routes } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 0, servers: ['http://127.0.0.1:1'], pools: { empty: [] },
        plugins: [
          ipFilter({ deny: ['192.0.2.0/24'] }), headers({ request: { set: { 'X-New': '1' } } }),
          routes([{ name: 'nowhere', path: '/nowhere', pool: 'empty' }]),
          roundRobin(), adminApi({ listen: '127.0.0.1:${await freePort()}' }),
        ],
      });`,
  });
});
test.after(async () => {
  await weldr.stop();
});

const run = (...args: string[]) =>
  runWeldr(['explain', ...args], { env: { WELDR_ADMIN: weldr.adminUrl, NO_COLOR: '1' } });

test('prints the step of each plugin, and what is edited, chosen and sent', async () => {
  const { code, stdout } = await run('get', 'http://shop.example/x', '-H', 'X-Beta: 1', '-H', 'Cookie: id=1');
  assert.is(code, 0);
  const lines = stdout
    .replaceAll(/ {2,}\d+\.\d\d ms/g, time => '0.00 ms'.padStart(time.length))
    .replace(/explained in \d+\.\d\d ms/, 'explained in 0.00 ms')
    .trimEnd()
    .split('\n');
  assert.match(
    lines[0] ?? '',
    /^GET http:\/\/shop\.example\/x from 127\.0\.0\.1 by listener 127\.0\.0\.1:\d+, in worker 1$/,
  );
  assert.equal(
    lines.slice(1).filter(line => !/X-Forwarded|Via/.test(line)),
    [
      '',
      'request            0.00 ms  ip-filter    lets it pass',
      '                   0.00 ms  headers      lets it pass, edits',
      '                              + header X-New: 1',
      'route              0.00 ms  routes       lets it pass',
      'selectUpstream     0.00 ms  round-robin  chooses http://127.0.0.1:1',
      '                              > http://127.0.0.1:1  weight 1, 0 in flight',
      'forward                     weldr        would send it to http://127.0.0.1:1 (not sent; as if the answer was 200)',
      'respond            0.00 ms  routes       lets it pass',
      '',
      'to http://127.0.0.1:1',
      '  GET /x',
      '  Host: shop.example',
      '  X-Beta: 1',
      '  Cookie: (hidden)',
      '  X-New: 1',
      '',
      'to the client',
      '  200 from http://127.0.0.1:1 (assumed)',
      '',
      'explained in 0.00 ms',
    ],
  );
});

test('exits 0 if a plugin replies, and 1 if Weldr would respond with an error', async () => {
  const refused = await run('GET', '/', '--client-ip', '192.0.2.7');
  assert.is(refused.code, 0);
  assert.match(refused.stdout, /ip-filter +replies 403/);
  assert.match(refused.stdout, /403 by ip-filter/);
  const failed = await run('GET', '/nowhere');
  assert.is(failed.code, 1);
  assert.match(failed.stdout, /no server of pool empty is chosen/);
  assert.match(failed.stdout, /503 by Weldr \(NO_UPSTREAM: no upstream of pool empty/);
  assert.is((await run('GET', '/', '--answer', 'CONNECT_FAILED')).code, 1);
  assert.is((await run('GET', '/', '--answer', '404')).code, 0);
});

test('prints JSON for scripts', async () => {
  const { code, stdout } = await run('GET', '/nowhere', '--json');
  const { response, route } = JSON.parse(stdout);
  assert.equal([code, response.code, route], [1, 'NO_UPSTREAM', 'nowhere']);
});

test('refuses wrong arguments, and says why', async () => {
  assert.match((await run('GET')).stderr, /<url> is missing/);
  assert.match((await run('GET', '/', '--client', '1')).stderr, /did you mean --client-ip/);
  assert.match((await run('GET', '/', '-H', 'nothing')).stderr, /expected a line such as/);
  const { code, stderr } = await run('GET', '/', '--answer', 'never');
  assert.is(code, 1);
  assert.match(stderr, /answer: expected a status from 200 to 599, or one of CONNECT_FAILED/);
});
