// Backup servers under traffic, with real processes: they step in when all others fail, and step back when one recovers.
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('backup servers, end to end');

interface Running {
  readonly weldr: TestWeldr;
  readonly primary: Origin;
  readonly backup: Origin;
}

async function running(run: (running: Running) => Promise<void>): Promise<void> {
  const [primary, backup] = [await startOrigin({ name: 'primary' }), await startOrigin({ name: 'backup' })];
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { adminApi, healthCheck, retry, roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 2,
        servers: ['${primary.url}', { url: '${backup.url}', backup: true }],
        plugins: [
          roundRobin(), retry(), healthCheck({ interval: '100ms', timeout: '1s', failures: 2, passes: 1 }),
          adminApi({ listen: '127.0.0.1:0' }),
        ],
      });`,
  });
  try {
    await run({ weldr, primary, backup });
  } finally {
    await weldr.stop();
    await primary.close();
    await backup.close();
  }
}

const answerOf = async (weldr: TestWeldr): Promise<string> => await (await fetch(weldr.url)).text();

test('a backup steps in when all others are down, and steps back when one recovers; both are logged', async () => {
  await running(async ({ weldr, primary, backup }) => {
    for (let n = 0; n < 20; n++) assert.is(await answerOf(weldr), 'primary');
    primary.healthStatus = 503;
    await weldr.logged(
      ({ msg }) => msg === `backup ${backup.url} steps in: no other server of pool default is active`,
    );
    await until('the backup answers', async () => (await answerOf(weldr)) === 'backup');
    for (let n = 0; n < 20; n++) assert.is(await answerOf(weldr), 'backup');
    primary.healthStatus = 200;
    await weldr.logged(
      ({ msg }) => msg === `backup ${backup.url} steps back: pool default has other servers again`,
    );
    await until('the other answers', async () => (await answerOf(weldr)) === 'primary');
    for (let n = 0; n < 20; n++) assert.is(await answerOf(weldr), 'primary');
  });
});

test('a request whose server dies is answered by the backup before any check has failed', async () => {
  await running(async ({ weldr, primary }) => {
    assert.is(await answerOf(weldr), 'primary');
    await primary.close();
    for (let n = 0; n < 20; n++) assert.is(await answerOf(weldr), 'backup');
  });
});

test('a server becomes a backup, is shown as one, and becomes a regular server again while Weldr runs', async () => {
  await running(async ({ weldr, primary, backup }) => {
    const env = { WELDR_ADMIN: weldr.adminUrl };
    const added = await runWeldr(['servers', 'add', primary.url, '--backup'], { env });
    assert.is(added.code, 0);
    await until('both answer', async () => (await answerOf(weldr)) === 'backup');
    const { stdout } = await runWeldr(['servers'], { env });
    assert.match(stdout, new RegExp(`^${primary.url} +active \\(backup\\) +1 .* backup `, 'm'));
    const patched = await fetch(`${weldr.adminUrl}/servers/127.0.0.1/${backup.port}`, {
      method: 'PATCH',
      body: '{"backup": false}',
    });
    assert.equal([patched.status, 'backup' in ((await patched.json()) as object)], [200, false]);
    await until('the first is a backup', async () => (await answerOf(weldr)) === 'backup');
    for (let n = 0; n < 20; n++) assert.is(await answerOf(weldr), 'backup');
  });
});
