// Plugins of pools by their names in define, changed under traffic, with real processes.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';
import { type ClientLoad, startLoad } from './client-load.ts';

const test = suite('plugins of pools by name', { timeoutMs: 240_000 });

/** Plugins that mark answers with a field, one that fails while a file exists, and a list in the config. */
const config = (define: string, workers = 2) => `
import { existsSync } from 'node:fs';
import { defineConfig } from 'weldr';
import { adminApi, leastRequests, poolFile, roundRobin } from 'weldr/plugins';
const mark = name => ({ name, worker: ({ hooks }) => hooks.respond.tap(name, ctx => { ctx.response.headers.set('x-' + name, '1'); }) });
const picky = { name: 'picky', worker: ({ id }) => { if (existsSync('fail') && id === 2) throw new Error('worker 2 has no key'); } };
export default defineConfig({
  listen: '127.0.0.1:0', workers: ${workers}, define: { ${define} },
  pools: { default: { servers: ['${origin.url}'], plugins: [mark('own'), 'one'] } },
  plugins: [roundRobin(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${adminPort}' })],
});`;

const all = `one: mark('one'), two: mark('two'), picky, least: leastRequests()`;

let origin: Origin;
let adminPort = 0;
test.before(async () => {
  origin = await startOrigin();
});
test.before.each(async () => {
  adminPort = await freePort();
});
test.after(() => origin.close());

/** The marks of an answer over a new connection. */
async function marks(weldr: TestWeldr): Promise<string> {
  const response = await fetch(weldr.url, { headers: { connection: 'close' } });
  await response.body?.cancel();
  const found = ['own', 'one', 'two'].filter(name => response.headers.has(`x-${name}`));
  return [response.status, ...found].join(' ');
}

/** The marks of many answers, without duplicates. */
async function seen(weldr: TestWeldr): Promise<string[]> {
  const found = await Promise.all(Array.from({ length: 20 }, () => marks(weldr)));
  return [...new Set(found)];
}

async function patch(weldr: TestWeldr, plugins: readonly string[] | null) {
  const response = await fetch(`${weldr.adminUrl}/pools/default`, {
    method: 'PATCH',
    body: JSON.stringify({ plugins }),
  });
  return { status: response.status, body: Object(await response.json()) };
}

async function shown(weldr: TestWeldr) {
  return Object(await (await fetch(`${weldr.adminUrl}/pools/default`)).json());
}

function assertOnly200(load: ClientLoad): void {
  assert.equal(load.errors, [], 'no request failed on the wire');
  assert.equal([...load.statuses.keys()], [200], 'every answer was a 200');
}

test('a list is active in all workers once answered, survives deaths, reloads and restarts, and loses no request', async () => {
  const text = config(all);
  let weldr = await startWeldr({ config: text });
  try {
    assert.equal(await seen(weldr), ['200 own one']);
    const { plugins, pluginsInPlace } = await shown(weldr);
    assert.equal([plugins, pluginsInPlace], [['one'], ['own']]);
    const load = startLoad(weldr.url);
    for (let n = 0; n < 3; n++) {
      assert.is((await patch(weldr, ['two', 'least'])).status, 200);
      assert.equal(await seen(weldr), ['200 own two']);
      assert.is((await patch(weldr, ['one', 'two'])).status, 200);
      assert.equal(await seen(weldr), ['200 own one two']);
    }
    await load.stop();
    assertOnly200(load);
    const refused = await patch(weldr, ['tow']);
    assert.equal([refused.status, refused.body.field], [400, 'plugins']);
    assert.match(refused.body.detail, 'did you mean "two"?');

    const [first = 0] = weldr.workers();
    process.kill(first, 'SIGKILL');
    await until('another worker', () => weldr.workers().length === 2 && !weldr.workers().includes(first));
    assert.equal(await seen(weldr), ['200 own one two'], 'of its replacement, too');
    assert.is((await fetch(`${weldr.adminUrl}/reload`, { method: 'POST' })).status, 200);
    assert.equal(await seen(weldr), ['200 own one two'], 'after a reload');
    assert.is((await patch(weldr, ['two'])).status, 200);
    await weldr.kill({ keep: true });
    weldr = await startWeldr({ config: text, folder: weldr.folder });
    assert.equal(await seen(weldr), ['200 own two'], 'after a death and a start');
    const forgotten = await fetch(`${weldr.adminUrl}/pools/default?override`, { method: 'DELETE' });
    await forgotten.body?.cancel();
    assert.equal(await seen(weldr), ['200 own one'], 'the config decides again');
  } finally {
    await weldr.stop();
  }
});

test('a plugin that fails to start in one worker is refused, and later closes the pool in that worker', async () => {
  const weldr = await startWeldr({ config: config(all) });
  try {
    const fail = join(weldr.folder, 'fail');
    writeFileSync(fail, '');
    const refused = await patch(weldr, ['two', 'picky']);
    assert.equal([refused.status, refused.body.code], [500, 'PLUGIN_FAILED']);
    assert.match(refused.body.detail, 'plugin pool:default/picky did not start: worker 2 has no key');
    assert.equal([(await shown(weldr)).plugins, await seen(weldr)], [['one'], ['200 own one']]);
    rmSync(fail);
    assert.is((await patch(weldr, ['two', 'picky'])).status, 200);
    writeFileSync(fail, '');
    for (const worker of weldr.workers()) process.kill(worker, 'SIGKILL');
    await until('a problem', async () => ((await shown(weldr)).problems ?? []).length > 0);
    assert.equal((await shown(weldr)).problems, [
      'plugin pool:default/picky did not start: worker 2 has no key',
    ]);
    await until('both workers', () => weldr.workers().length === 2);
    assert.ok((await seen(weldr)).every(one => one === '200 own two' || one === '503'));
    // A reload removes a name from define: the admitted list is no longer known.
    weldr.writeConfig(config(`one: mark('one'), least: leastRequests()`));
    assert.is((await fetch(`${weldr.adminUrl}/reload`, { method: 'POST' })).status, 200);
    assert.equal(await seen(weldr), ['503']);
    assert.match((await shown(weldr)).problems.join(), 'there is no plugin "two" in define');
    await weldr.logged(
      ({ level, msg }) => level === 40 && msg.includes('there is no plugin "two" in define'),
    );
  } finally {
    await weldr.stop();
  }
});

test('a process that takes over keeps the list, and weldr check reports its missing plugins', async () => {
  const weldr = await startWeldr({ config: config(all) });
  const pids = [weldr.pid];
  try {
    assert.is((await patch(weldr, ['two'])).status, 200);
    assert.is((await fetch(`${weldr.adminUrl}/upgrade`, { method: 'POST' })).status, 200);
    const { successor } = await weldr.logged(({ msg }) => msg === 'another process has taken over');
    pids.push(Number(successor));
    assert.equal(await seen(weldr), ['200 own two']);
    weldr.writeConfig(config(`one: mark('one')`));
    const { stdout, stderr } = await runWeldr(['check'], { cwd: weldr.folder });
    assert.match(stdout + stderr, 'plugins of pool default: there is no plugin "two" in define');
  } finally {
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGTERM');
    await until('all processes end', () => !pids.some(isRunning));
    await weldr.stop();
  }
});

test('a Weldr of one process runs the list as well', async () => {
  const weldr = await startWeldr({ config: config(all, 0) });
  try {
    assert.is((await patch(weldr, ['two', 'least'])).status, 200);
    assert.equal(await seen(weldr), ['200 own two']);
    assert.is((await patch(weldr, [])).status, 200);
    assert.equal(await seen(weldr), ['200 own']);
  } finally {
    await weldr.stop();
  }
});
