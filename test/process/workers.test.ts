// Workers as processes: what they know at their start, how they are replaced, and how they end.
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('workers', { timeoutMs: 300_000 });

/** A config with a worker plugin that reports over HTTP what it knows, and its process. */
const config = (servers: readonly string[], more = '') => `
import { defineConfig, reply } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0',
  servers: ${JSON.stringify(servers)},
  ${more}
  plugins: [
    {
      name: 'facts',
      worker({ hooks, pools, id }) {
        const atStart = [...pools.default].map(upstream => upstream.id);
        hooks.request.tap('facts', ctx => {
          if (ctx.request.target === '/facts') return reply(200, JSON.stringify({ pid: process.pid, id, atStart, flags: process.execArgv }));
          if (ctx.request.target === '/die') process.exit(3);
          if (ctx.request.target === '/defect') setImmediate(() => { throw new Error('a plugin broke'); });
          return undefined;
        });
      },
    },
    roundRobin(),
  ],
});`;

interface Facts {
  readonly pid: number;
  readonly id: number;
  readonly atStart: readonly string[];
  /** Node's flags. */
  readonly flags: readonly string[];
}

async function factsOf(url: string): Promise<Facts> {
  const response = await fetch(`${url}/facts`, { headers: { connection: 'close' } });
  return JSON.parse(await response.text());
}

test('knows the full pool before its plugins start', async () => {
  const servers = ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'];
  const weldr = await startWeldr({ config: config(servers), workers: 1 });
  try {
    assert.equal((await factsOf(weldr.url)).atStart, servers);
  } finally {
    await weldr.stop();
  }
});

test('runs as many as the config says, none of them the manager', async () => {
  const weldr = await startWeldr({ config: config([], 'workers: 3,') });
  try {
    assert.is(weldr.workers().length, 3);
    assert.not.ok(weldr.workers().includes(weldr.pid));
  } finally {
    await weldr.stop();
  }
});

test('replaces a killed worker at once, with the same number and the full pool', async () => {
  const servers = ['http://127.0.0.1:1', 'http://127.0.0.1:2'];
  const weldr = await startWeldr({ config: config(servers), workers: 1 });
  try {
    const before = await factsOf(weldr.url);
    process.kill(before.pid, 'SIGKILL');
    const after = await factsOf(weldr.url);
    assert.is.not(after.pid, before.pid);
    assert.is(after.id, before.id);
    assert.equal(after.atStart, servers);
  } finally {
    await weldr.stop();
  }
});

test('replaces a killed worker by one that runs the config as the manager read it, even if it was edited or deleted', async () => {
  const weldr = await startWeldr({ config: config([]), workers: 1 });
  try {
    for (const text of [
      "export default { plugins: [{ name: 'edited', worker() {} }] };",
      'export default {',
    ]) {
      weldr.writeConfig(text);
      const { pid } = await factsOf(weldr.url);
      process.kill(pid, 'SIGKILL');
      await until('it is gone', () => !isRunning(pid));
      assert.is.not((await factsOf(weldr.url)).pid, pid);
    }
  } finally {
    await weldr.stop();
  }
});

test('keeps connections waiting while no worker runs', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config([origin.url]), workers: 1 });
  try {
    const [worker = 0] = weldr.workers();
    process.kill(worker, 'SIGKILL');
    await until('the worker is gone', () => !isRunning(worker));
    const answers = await Promise.all(Array.from({ length: 50 }, () => fetch(weldr.url)));
    assert.ok(answers.every(answer => answer.status === 200));
    await Promise.all(answers.map(answer => answer.text()));
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('waits longer and longer before it replaces a worker that keeps dying, and logs it', async () => {
  const weldr = await startWeldr({ config: config([]), workers: 1 });
  try {
    const deaths = () => weldr.logs.filter(record => record.msg === 'a worker died; it is replaced');
    for (let death = 1; death <= 4; death++) {
      await fetch(`${weldr.url}/die`).catch(() => {});
      await until(`death ${death}`, () => deaths().length === death);
    }
    assert.equal(
      deaths().map(record => record['replacedInMs']),
      [0, 100, 200, 400],
    );
    assert.is(deaths()[0]?.['why'], 'exit code 3');
  } finally {
    await weldr.stop();
  }
});

test('ends a worker on an uncaught exception, with the stack in the log, and replaces it', async () => {
  const weldr = await startWeldr({ config: config([]), workers: 1 });
  try {
    const before = await factsOf(weldr.url);
    await fetch(`${weldr.url}/defect`).catch(() => {});
    const record = await weldr.logged(({ level }) => level === 60);
    assert.match(JSON.stringify(record['err']), 'a plugin broke');
    assert.match(JSON.stringify(record['err']), 'weldr.config.mjs');
    assert.is.not((await factsOf(weldr.url)).pid, before.pid);
  } finally {
    await weldr.stop();
  }
});

test('finish their requests and end when the manager is killed', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config([origin.url]), workers: 2 });
  try {
    const slow = fetch(`${weldr.url}/slow?ms=700`);
    await until('the request is at the origin', () => origin.inFlight === 1);
    const workers = weldr.workers();
    const killed = weldr.kill();
    const answer = await slow;
    assert.is(answer.status, 200);
    assert.is(await answer.text(), origin.name);
    await killed;
    assert.is(workers.filter(isRunning).length, 0);
  } finally {
    await origin.close();
  }
});

test('ends and replaces a worker that does not read its messages', async () => {
  const flips = 12_000;
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 1, servers: ['http://127.0.0.1:1'],
        plugins: [roundRobin(), {
          name: 'flipper',
          manager({ pools }) {
            process.on('SIGALRM', async () => {
              for (let i = 0; i < ${flips}; i++) {
                pools.verdict('default', 'http://127.0.0.1:1', i % 2 === 0 ? 'no' : undefined);
                await undefined;
              }
            });
          },
        }],
      });`,
  });
  try {
    const [stuck = 0] = weldr.workers();
    process.kill(stuck, 'SIGSTOP');
    weldr.signal('SIGALRM');
    await until('the stuck worker is gone', () => !isRunning(stuck), 30_000);
    await weldr.logged(({ msg }) => msg === 'the worker does not read its messages; it is ended');
    // The last verdict that it receives is none: the server is available, and refuses connections.
    assert.is((await fetch(weldr.url)).status, 502);
    assert.is(weldr.workers().length, 1);
  } finally {
    await weldr.stop();
  }
});

test("a worker collects garbage without threads, which would wait for its core; Weldr's flags come before Node's", async () => {
  // From the sources, for which Node gets a flag.
  const root = join(import.meta.dirname, '../..');
  const weldr = await startWeldr({ config: config([]), workers: 1, root });
  try {
    const { flags } = await factsOf(weldr.url);
    assert.equal(flags.slice(0, 2), ['--single-threaded-gc', '--max-semi-space-size=8']);
    assert.ok(flags.indexOf('-C') > 1, `${flags}`);
  } finally {
    await weldr.stop();
  }
});
