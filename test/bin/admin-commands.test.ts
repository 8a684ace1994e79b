// The commands that talk to a running Weldr.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { startUnixOrigin } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('commands', { timeoutMs: 240_000 });

const config = (adminPort: number) => `
import { defineConfig } from 'weldr';
import { adminApi, healthCheck, leastRequests, poolFile, rateLimit, roundRobin, stats } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 1, pools: { other: [] },
  define: { least: leastRequests(), limited: rateLimit({ rate: 1000 }) },
  plugins: [roundRobin(), healthCheck(), stats(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${adminPort}' })],
});`;

let weldr: TestWeldr;
let text: string;
let origin: Origin;

test.before(async () => {
  origin = await startOrigin();
  text = config(await freePort());
  weldr = await startWeldr({ config: text });
});
test.after(async () => {
  await weldr.stop();
  await origin.close();
});

/** Runs a command against it. Throws if it fails. */
async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runWeldr(args, { env: { WELDR_ADMIN: weldr.adminUrl } });
  if (code !== 0) throw new Error(`weldr ${args.join(' ')}: exit code ${code}: ${stderr}`);
  return stdout;
}

test('servers add, list, drain, disable, enable and remove', async () => {
  assert.match(await run('servers'), 'no servers; add one');
  assert.match(await run('servers', 'add', origin.url, '--weight', '2'), `${origin.url} is active`);
  assert.match(await run('servers'), new RegExp(`^${origin.url} +active +2 +0 +api`, 'm'));
  assert.is(await (await fetch(weldr.url)).text(), origin.name);
  assert.match(await run('servers', 'drain', origin.url), `${origin.url} is draining`);
  assert.is((await fetch(weldr.url)).status, 503);
  assert.match(await run('servers', 'disable', origin.url), 'is disabled');
  assert.match(await run('servers', 'enable', origin.url), 'is active');
  await run('servers', 'add', origin.url, '--proxy-protocol', 'v2', '--max-connections', '9', '--zone', 'a');
  const listed = JSON.parse(await run('servers', '--json'));
  const [{ weight, proxyProtocol, maxConnections, zone }] = listed.servers;
  assert.equal([weight, proxyProtocol, maxConnections, zone], [2, 'v2', 9, 'a']);
  const { servers } = JSON.parse(await run('get')).pools.default;
  assert.equal([servers[0].maxConnections, servers[0].zone], [9, 'a']);
  assert.match(await run('servers', 'remove', origin.url, '--wait'), `${origin.url} is removed`);
  assert.match(await run('servers'), 'no servers; add one');
});

test('a server on a unix socket is added, drained, removed and kept across a restart', async () => {
  const app = await startUnixOrigin();
  try {
    assert.match(await run('servers', 'add', app.url), `${app.url} is active`);
    assert.is(await (await fetch(weldr.url)).text(), 'hello');
    await weldr.stop({ keep: true });
    weldr = await startWeldr({ config: text, folder: weldr.folder });
    assert.match(await run('servers'), `${app.url} `);
    assert.is(await (await fetch(weldr.url)).text(), 'hello');
    assert.match(await run('stats'), `${app.url} `);
    assert.match(await run('servers', 'drain', app.url), `${app.url} is draining`);
    assert.match(await run('servers', 'remove', app.url, '--wait'), `${app.url} is removed`);
    const { code, stderr } = await runWeldr(['servers', 'drain', 'unix:app.sock']);
    assert.is(code, 2);
    assert.match(stderr, 'write the path in full, such as unix:/run/app.sock');
  } finally {
    await app.close();
  }
});

test('the list of servers has the requests in flight of each, and a summary', async () => {
  await run('servers', 'add', origin.url);
  const slow = Promise.all(
    [1, 2].map(() => fetch(`${weldr.url}/slow?ms=6000`).then(answer => answer.text())),
  );
  let listed = '';
  await until('both requests are counted', async () => {
    listed = await run('servers');
    return / 2 requests in flight$/m.test(listed);
  });
  assert.match(listed, /^SERVER +STATE +WEIGHT +IN FLIGHT +LAYER +CHANGED +HEALTH +REASON$/m);
  assert.match(listed, new RegExp(`^${origin.url} +active +1 +2 +api`, 'm'));
  assert.match(listed, /^1 server: 1 active; 2 requests in flight$/m);
  await slow;
  await run('servers', 'remove', origin.url, '--wait');
});

test('the list of servers counts changes over the config, and has no requests in flight without a plugin that counts them', async () => {
  const adminPort = await freePort();
  const plain = await startWeldr({
    config: `
import { adminApi, roundRobin } from 'weldr/plugins';
export default {
  listen: '127.0.0.1:0', workers: 0, servers: ['http://127.0.0.1:9001', 'http://127.0.0.1:9002', 'http://127.0.0.1:9003'],
  plugins: [roundRobin(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
};`,
  });
  try {
    const env = { WELDR_ADMIN: plain.adminUrl };
    await runWeldr(['servers', 'drain', 'http://127.0.0.1:9002'], { env });
    await runWeldr(['servers', 'add', 'http://127.0.0.1:9003', '--weight', '5'], { env });
    const { stdout } = await runWeldr(['servers'], { env });
    assert.match(stdout, /^http:\/\/127\.0\.0\.1:9003 +active +5 +- +config +weight /m);
    assert.match(stdout, /^3 servers: 2 active, 1 draining; 2 changed over the config$/m);
  } finally {
    await plain.stop();
  }
});

test('servers of another pool', async () => {
  assert.match(await run('servers', 'add', origin.url, '--pool', 'other'), 'is active');
  assert.match(await run('servers', '--pool', 'other'), origin.url);
  assert.match(await run('servers'), 'no servers');
  await run('servers', 'remove', origin.url, '--pool', 'other', '--force');
  assert.match(await run('servers', '--pool', 'other'), 'no servers');
});

test('a refusal is printed in the words of the API, with exit code 1', async () => {
  const { code, stderr } = await runWeldr(['servers', 'remove', 'http://127.0.0.1:1'], {
    env: { WELDR_ADMIN: weldr.adminUrl },
  });
  assert.is(code, 1);
  assert.match(stderr, 'weldr: ');
  assert.match(stderr, '127.0.0.1');
  assert.not.match(stderr, '\n    at ');
});

test('stats --watch in a pipe writes no escape codes, and ends quietly when its reader leaves', async () => {
  const script = fileURLToPath(new URL('../../bin/weldr.ts', import.meta.url));
  const child = spawn(process.execPath, ['-C', 'weldr-source', script, 'stats', '--watch'], {
    env: { ...process.env, WELDR_ADMIN: weldr.adminUrl },
  });
  const closed = once(child, 'close');
  try {
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', text => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    await until('two looks', () => stdout.split('IN FLIGHT').length > 2);
    assert.not.match(stdout, '\x1b');
    child.stdout.destroy();
    assert.equal(await closed, [0, null]);
    assert.is(stderr, '');
  } finally {
    child.kill('SIGKILL');
  }
});

test('stats, as a table and as JSON', async () => {
  await run('servers', 'add', origin.url);
  await (await fetch(weldr.url)).text();
  assert.match(await run('stats'), /^clients +\d+ +\d+$/m);
  const { total, servers } = JSON.parse(await run('stats', '--json'));
  assert.ok(total.client.success >= 1);
  assert.ok(servers.some((server: { id: string }) => server.id === origin.url));
  await run('servers', 'remove', origin.url, '--wait');
});

test('reload returns once the new config is active', async () => {
  const before = weldr.workers();
  assert.match(await run('reload'), 'active');
  assert.not.equal(weldr.workers(), before);
  weldr.writeConfig('export default 3;');
  const { code, stderr } = await runWeldr(['reload', '--admin-url', weldr.adminUrl]);
  weldr.writeConfig(text);
  assert.is(code, 1);
  assert.match(stderr, 'weldr.config.mjs exports ');
});

test('pools add can set every field of a pool', async () => {
  const shown = async (): Promise<unknown> => await (await fetch(`${weldr.adminUrl}/pools/api`)).json();
  await run(
    'pools',
    'add',
    'api',
    '--plugins',
    'least, limited',
    '--http2',
    '--host',
    'upstream',
    '--check-path',
    '/up',
    '--set',
    'timeouts.response=5s',
    '--set',
    'limits.upstreamConnections=7',
  );
  const { plugins, http2, host, healthCheck, timeouts, limits } = Object(await shown());
  assert.equal(
    [plugins, http2, host, healthCheck, timeouts, limits],
    [['least', 'limited'], true, 'upstream', { path: '/up' }, { response: 5000 }, { upstreamConnections: 7 }],
  );
  assert.match(await run('pools'), /^api +0 +0 +api +- +- +least,limited$/m);
  await run('pools', 'add', 'api', '--set', 'plugins=[]', '--set', 'http2=');
  const after = Object(await shown());
  assert.equal([after.plugins, after.http2, after.host], [[], undefined, 'upstream']);
  const wrong = async (...args: string[]): Promise<string> =>
    (await runWeldr(['pools', 'add', 'api', ...args], { env: { WELDR_ADMIN: weldr.adminUrl } })).stderr;
  assert.match(
    await wrong('--plugins', 'leats'),
    'there is no plugin "leats" in define; did you mean "least"?',
  );
  assert.match(
    await wrong('--set', 'http2'),
    '--set: expected FIELD=VALUE such as timeouts.response=5s, got http2',
  );
  await run('pools', 'remove', 'api');
});

test('pool export, reset and import', async () => {
  await run('servers', 'add', origin.url, '--weight', '7');
  const file = join(weldr.folder, 'export.json');
  assert.match(await run('pool', 'export', '--output', file), 'written to');
  assert.equal(JSON.parse(await run('pool', 'export')), JSON.parse(readFileSync(file, 'utf8')));
  await run('pool', 'reset');
  assert.match(await run('servers'), 'no servers');
  assert.match(await run('pool', 'import', file), 'imported');
  assert.match(await run('servers'), new RegExp(`^${origin.url} +active +7 `, 'm'));
});
