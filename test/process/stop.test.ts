// How Weldr stops: signals, the drain, and its limit.
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('stop', { timeoutMs: 300_000 });

const config = (server: string, more = '') => `
import { defineConfig } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 2, servers: [${JSON.stringify(server)}], ${more}
  plugins: [
    roundRobin(),
    {
      name: 'witness',
      worker({ onClose, id, log }) {
        onClose(() => log.info({ worker: id }, 'worker side closed'));
      },
      manager({ hooks, onClose, log }) {
        hooks.stopping.tap('witness', () => log.info('asked to stop'));
        onClose(() => log.info('first'));
        onClose(() => log.info('second'));
      },
    },
  ],
});`;

function messages(weldr: TestWeldr): string[] {
  return weldr.logs.map(record => record.msg);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`finishes requests in flight on ${signal}, then ends with code 0 and leaves no process`, async () => {
    const origin = await startOrigin();
    const weldr = await startWeldr({ config: config(origin.url) });
    try {
      const workers = weldr.workers();
      const slow = fetch(`${weldr.url}/slow?ms=500`);
      await until('the request is at the origin', () => origin.inFlight === 1);
      weldr.signal(signal);
      assert.is((await slow).status, 200);
      assert.is(await weldr.exited, 0);
      assert.is(workers.filter(isRunning).length, 0);
    } finally {
      await weldr.stop();
      await origin.close();
    }
  });
}

test('calls the stopping hook first, then closes the sides of plugins last in first out', async () => {
  const weldr = await startWeldr({ config: config('http://127.0.0.1:1') });
  await weldr.stop();
  const told = messages(weldr).filter(text =>
    ['asked to stop', 'worker side closed', 'first', 'second'].includes(text),
  );
  assert.equal(told, ['asked to stop', 'worker side closed', 'worker side closed', 'second', 'first']);
});

test('cuts what is not finished within drainTimeout', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url, "drainTimeout: '200ms',") });
  try {
    const endless = fetch(`${weldr.url}/slow?ms=60000`).then(
      () => 'answered',
      () => 'cut',
    );
    await until('the request is at the origin', () => origin.inFlight === 1);
    assert.is(await weldr.stop(), 0);
    assert.is(await endless, 'cut');
  } finally {
    await origin.close();
  }
});

test('cuts everything at once on a second signal', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url) });
  try {
    const endless = fetch(`${weldr.url}/slow?ms=60000`).then(
      () => 'answered',
      () => 'cut',
    );
    await until('the request is at the origin', () => origin.inFlight === 1);
    const workers = weldr.workers();
    weldr.signal('SIGTERM');
    await weldr.logged(({ msg }) => msg === 'stopping');
    weldr.signal('SIGTERM');
    assert.is(await weldr.exited, 0);
    assert.is(await endless, 'cut');
    assert.is(workers.filter(isRunning).length, 0);
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('waits for a start that is under way, and leaves no process of it', async () => {
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 2,
        plugins: [{
          name: 'slow',
          async manager({ log, onClose }) {
            onClose(() => log.info('closed'));
            log.info('starting');
            await new Promise(resolve => setTimeout(resolve, 500));
          },
        }],
      });`,
    noWait: true,
  });
  try {
    await weldr.logged(({ msg }) => msg === 'starting');
    const workers = weldr.workers();
    weldr.signal('SIGTERM');
    assert.is(await weldr.exited, 0);
    assert.ok(messages(weldr).includes('closed'));
    assert.is(workers.filter(isRunning).length, 0);
  } finally {
    await weldr.stop();
  }
});

/** Workers of the first start, or of a reload, hang in the start of a plugin. */
const hangingStart = `
import { defineConfig } from 'weldr';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 2, drainTimeout: '500ms',
  plugins: [{ name: 'hanging', worker({ log }) { log.info('starting'); for (;;); } }],
});`;

test('ends workers that hang in a first start', async () => {
  const weldr = await startWeldr({ config: hangingStart, noWait: true });
  try {
    await until('both workers to hang', () => messages(weldr).includes('starting'));
    const workers = weldr.workers();
    weldr.signal('SIGTERM');
    assert.is(await weldr.exited, 0);
    assert.is(workers.filter(isRunning).length, 0);
    assert.not(messages(weldr).some(text => text.includes('hangs and is killed')));
  } finally {
    await weldr.kill();
  }
});

test('ends workers that hang in the start of a reload', async () => {
  const weldr = await startWeldr({ config: config('http://127.0.0.1:1', "drainTimeout: '500ms',") });
  try {
    weldr.writeConfig(hangingStart);
    weldr.signal('SIGHUP');
    await until('the new workers to hang', () => messages(weldr).includes('starting'));
    const workers = weldr.workers();
    assert.is(await weldr.stop(), 0);
    assert.is(workers.filter(isRunning).length, 0);
    assert.not(messages(weldr).some(text => text.includes('hangs and is killed')));
  } finally {
    await weldr.kill();
  }
});
