// A pool whose plugin does not start in the manager, with real processes: no worker serves it until it does.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('pools whose plugins do not start in the manager', { timeoutMs: 240_000 });

/** A plugin that starts in all workers, and in the manager unless a file exists. */
const config = (workers: number) => `
import { existsSync } from 'node:fs';
import { defineConfig } from 'weldr';
import { adminApi, poolFile, roundRobin } from 'weldr/plugins';
const gate = {
  name: 'gate',
  manager: () => { if (existsSync('fail')) throw new Error('the keys are unreadable'); },
  worker: ({ hooks }) => hooks.respond.tap('gate', ctx => { ctx.response.headers.set('x-gate', '1'); }),
};
export default defineConfig({
  listen: '127.0.0.1:0', workers: ${workers}, define: { gate },
  pools: { default: { servers: ['${origin.url}'] } },
  plugins: [roundRobin(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${adminPort}' })],
});`;

const problem = 'plugin pool:default/gate did not start: the keys are unreadable';

let origin: Origin;
let adminPort = 0;
test.before(async () => {
  origin = await startOrigin();
});
test.before.each(async () => {
  adminPort = await freePort();
});
test.after(() => origin.close());

/** Many answers over new connections, without duplicates. */
async function seen(weldr: TestWeldr): Promise<string[]> {
  const answers = Array.from({ length: 20 }, async () => {
    const response = await fetch(weldr.url, { headers: { connection: 'close' } });
    await response.body?.cancel();
    return response.headers.has('x-gate') ? `${response.status} gate` : `${response.status}`;
  });
  return [...new Set(await Promise.all(answers))];
}

async function problems(weldr: TestWeldr): Promise<unknown> {
  return Object(await (await fetch(`${weldr.adminUrl}/pools/default`)).json()).problems ?? [];
}

async function call(weldr: TestWeldr, method: string, path: string, body?: unknown): Promise<void> {
  const response = await fetch(`${weldr.adminUrl}${path}`, { method, body: JSON.stringify(body) });
  assert.is(response.status, 200, await response.text());
}

/** A Weldr that was started with a stored list whose plugin does not start in the manager. */
async function startHeld(workers: number): Promise<TestWeldr> {
  const text = config(workers);
  const first = await startWeldr({ config: text });
  await call(first, 'PATCH', '/pools/default', { plugins: ['gate'] });
  assert.equal(await seen(first), ['200 gate']);
  writeFileSync(join(first.folder, 'fail'), '');
  await first.kill({ keep: true });
  return await startWeldr({ config: text, folder: first.folder });
}

for (const workers of [2, 0]) {
  test(`with ${workers} workers, the pool answers 503 after a restart that cannot start the plugin, and opens after a reload that can`, async () => {
    const weldr = await startHeld(workers);
    try {
      assert.equal([await seen(weldr), await problems(weldr)], [['503'], [problem]]);
      rmSync(join(weldr.folder, 'fail'));
      await call(weldr, 'POST', '/reload');
      assert.equal([await seen(weldr), await problems(weldr)], [['200 gate'], []]);
      writeFileSync(join(weldr.folder, 'fail'), '');
      await call(weldr, 'POST', '/reload');
      assert.equal([await seen(weldr), await problems(weldr)], [['503'], [problem]]);
      await call(weldr, 'PATCH', '/pools/default', { plugins: [] });
      assert.equal([await seen(weldr), await problems(weldr)], [['200'], []], 'another list opens it too');
    } finally {
      await weldr.stop();
    }
  });
}

test('a worker that replaces a dead one answers 503 as well, and so does a process that takes over', async () => {
  const weldr = await startHeld(2);
  const pids = [weldr.pid];
  try {
    const [first = 0] = weldr.workers();
    process.kill(first, 'SIGKILL');
    await until('another worker', () => weldr.workers().length === 2 && !weldr.workers().includes(first));
    assert.equal(await seen(weldr), ['503']);
    await call(weldr, 'POST', '/upgrade');
    const { successor } = await weldr.logged(({ msg }) => msg === 'another process has taken over');
    pids.push(Number(successor));
    assert.equal([await seen(weldr), await problems(weldr)], [['503'], [problem]]);
    rmSync(join(weldr.folder, 'fail'));
    await call(weldr, 'POST', '/reload');
    assert.equal([await seen(weldr), await problems(weldr)], [['200 gate'], []]);
  } finally {
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGTERM');
    await until('all processes end', () => !pids.some(isRunning));
    await weldr.stop();
  }
});
