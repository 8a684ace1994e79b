// Workers that hang, as processes: what it costs, what the log says, and what must stay unaffected.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('hanging worker', { timeoutMs: 300_000 });

/** A config with a plugin that hangs its worker for /hang, is busy for 1.5 s for /busy, and answers anything else. */
const config = (more = '') => `
import { defineConfig, reply } from 'weldr';
import { adminApi } from 'weldr/plugins';
const spin = (until) => { while (performance.now() < until); };
function hangForEver() { for (;;); }
export default defineConfig({
  listen: '127.0.0.1:0', workers: 2, ${more}
  plugins: [
    adminApi({ listen: '127.0.0.1:0' }),
    {
      name: 'hanging',
      worker({ hooks }) {
        hooks.request.tap('hanging', ctx => {
          if (ctx.request.target === '/hang') hangForEver();
          if (ctx.request.target === '/busy') spin(performance.now() + 1500);
          return reply(200, String(process.pid));
        });
      },
    },
  ],
});`;

/** The process that answers on a new connection. */
async function pidOf(url: string, target = '/'): Promise<number> {
  const response = await fetch(url + target, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(5_000),
  });
  assert.is(response.status, 200);
  return Number(await response.text());
}

async function readyWorkers(weldr: TestWeldr): Promise<number> {
  const response = await fetch(`${weldr.adminUrl}/readyz`);
  assert.is(response.status, 200);
  const status = JSON.parse(await response.text());
  return status.readyWorkers;
}

const silent = 'a worker does not react; it counts as not ready';
const hangs = (record: { msg: string }) => record.msg.startsWith('the worker hangs and is killed');

/** Hangs one worker and waits for its replacement; returns how the hanging request ended. */
async function hangOne(weldr: TestWeldr): Promise<string> {
  const from = weldr.logs.length;
  const before = weldr.workers();
  const hanging = fetch(`${weldr.url}/hang`, { headers: { connection: 'close' } }).then(
    () => 'answered',
    () => 'cut',
  );
  const warning = await weldr.logged(({ msg }) => msg === silent, { from });
  assert.is(warning['process'], 'computing');
  assert.is(await readyWorkers(weldr), 1);
  const hung = Number(warning['pid']);
  assert.ok(before.includes(hung));
  // The sibling serves throughout.
  while (isRunning(hung)) {
    assert.is.not(await pidOf(weldr.url), hung);
    await sleep(50);
  }
  const killed = await weldr.logged(hangs, { from });
  assert.is(killed['pid'], hung);
  assert.is(killed['worker'], warning['worker']);
  await until('both are ready again', async () => (await readyWorkers(weldr)) === 2);
  return await hanging;
}

test('a plugin with an endless loop costs its requests and not the service', async () => {
  const weldr = await startWeldr({ config: config() });
  try {
    assert.is(await hangOne(weldr), 'cut');
    const died = await weldr.logged(({ msg }) => msg === 'a worker died; it is replaced');
    assert.match(String(died['why']), /worker \d did not react for 10 s, and was killed/);
    assert.match(weldr.logs.find(hangs)?.msg ?? '', 'there is no stack of it');

    // The second time a thread watches the stack.
    const from = weldr.logs.length;
    assert.is(await hangOne(weldr), 'cut');
    const stack = await weldr.logged(record => 'stack' in record, { from });
    assert.match(JSON.stringify(stack['stack']), /at hangForEver \(.*weldr\.config\.mjs/);
    assert.match(weldr.logs.findLast(hangs)?.msg ?? '', 'its stack is in a line of its own before this one');
  } finally {
    assert.is(await weldr.stop(), 0);
  }
});

test('a stopped worker counts as not ready, and as ready when it continues', async () => {
  const weldr = await startWeldr({ config: config() });
  const [stopped = 0] = weldr.workers();
  try {
    process.kill(stopped, 'SIGSTOP');
    const warning = await weldr.logged(({ msg }) => msg === silent);
    assert.is(warning['pid'], stopped);
    assert.is(warning['process'], 'stopped by a signal');
    assert.is(await readyWorkers(weldr), 1);
    process.kill(stopped, 'SIGCONT');
    await weldr.logged(({ msg }) => msg === 'the worker reacts again; it is ready');
    assert.is(await readyWorkers(weldr), 2);
    assert.ok(weldr.workers().includes(stopped));
  } finally {
    if (isRunning(stopped)) process.kill(stopped, 'SIGCONT');
    await weldr.stop();
  }
});

test('a worker that stays stopped is killed and replaced', async () => {
  const weldr = await startWeldr({ config: config() });
  const [stopped = 0] = weldr.workers();
  try {
    process.kill(stopped, 'SIGSTOP');
    await weldr.logged(hangs);
    await until('it is gone', () => !isRunning(stopped));
    await until('there are two', async () => (await readyWorkers(weldr)) === 2);
  } finally {
    if (isRunning(stopped)) process.kill(stopped, 'SIGCONT');
    await weldr.stop();
  }
});

test('a manager that was stopped for 12 s finds its workers alive', async () => {
  const weldr = await startWeldr({ config: config() });
  try {
    const before = weldr.workers();
    weldr.signal('SIGSTOP');
    await sleep(12_000);
    assert.ok(before.includes(await pidOf(weldr.url)));
    weldr.signal('SIGCONT');
    assert.is(await readyWorkers(weldr), 2);
    await sleep(3_000);
    assert.equal(weldr.workers().sort(), before.sort());
    assert.not(weldr.logs.some(({ msg }) => msg === silent));
  } finally {
    weldr.signal('SIGCONT');
    await weldr.stop();
  }
});

test('a worker that is busy for 1.5 s is kept', async () => {
  const weldr = await startWeldr({ config: config() });
  try {
    const before = weldr.workers();
    for (let i = 0; i < 2; i++) assert.ok(before.includes(await pidOf(weldr.url, '/busy')));
    // On a busy machine it may be late, which is logged, but is not killed.
    await until('both to be ready', async () => (await readyWorkers(weldr)) === 2);
    assert.equal(weldr.workers().sort(), before.sort());
  } finally {
    await weldr.stop();
  }
});

test('a stop does not wait longer for a worker that hangs than for its drain', async () => {
  const weldr = await startWeldr({ config: config("drainTimeout: '60s',") });
  const workers = weldr.workers();
  fetch(`${weldr.url}/hang`).catch(() => {});
  await weldr.logged(({ msg }) => msg === silent);
  assert.is(await weldr.stop(), 0);
  assert.ok(weldr.logs.some(hangs));
  assert.not(workers.some(isRunning));
});

test('a reload finishes while a worker hangs, and leaves no old worker', async () => {
  const weldr = await startWeldr({ config: config("drainTimeout: '60s',") });
  try {
    const old = weldr.workers();
    fetch(`${weldr.url}/hang`).catch(() => {});
    const warning = await weldr.logged(({ msg }) => msg === silent);
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    assert.not(old.includes(await pidOf(weldr.url)));
    await weldr.logged(hangs);
    await until('the old ones have ended', () => !old.some(isRunning), 20_000);
    await until('the new ones are alone', () => weldr.workers().length === 2);
    assert.ok(old.includes(Number(warning['pid'])));
  } finally {
    await weldr.stop();
  }
});
