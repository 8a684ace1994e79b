// round-robin and stats in real processes: shares are fair, and every request is counted once, whatever dies.
import { once } from 'node:events';
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';

const test = suite('round-robin and stats with real traffic');

interface Sums {
  readonly client: { readonly success: number; readonly failed: number };
  readonly server: { readonly success: number; readonly failed: number };
}

function configOf(servers: readonly object[], adminPort = 0): string {
  return `
    import { defineConfig } from 'weldr';
    import { adminApi, roundRobin, stats } from 'weldr/plugins';
    export default defineConfig({
      listen: '127.0.0.1:0',
      servers: ${JSON.stringify(servers)},
      plugins: [roundRobin(), stats(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
    });`;
}

/** Sends requests one after another, each on a separate connection; returns which origin answered, or the status. */
async function send(weldr: TestWeldr, path: string, count: number): Promise<string[]> {
  const answers: string[] = [];
  for (let n = 0; n < count; n++) {
    const [response] = await once(get(`${weldr.url}${path}`, { agent: false }), 'response');
    await once(response.resume(), 'end');
    answers.push(response.headers['x-origin'] ?? String(response.statusCode));
  }
  return answers;
}

async function admin<T>(weldr: TestWeldr, path: string): Promise<T> {
  const response = await fetch(`${weldr.adminUrl}${path}`);
  assert.is(response.status, 200);
  return (await response.json()) as T;
}

async function isReady(weldr: TestWeldr): Promise<boolean> {
  return (await fetch(`${weldr.adminUrl}/readyz`)).ok;
}

test('one worker shares by weight, and GET /stats counts requests at once', async () => {
  const origins = [await startOrigin({ name: 'a' }), await startOrigin({ name: 'b' })];
  const [a, b] = origins;
  const weldr = await startWeldr({
    config: configOf([{ url: a?.url }, { url: b?.url, weight: 2 }]),
    workers: 1,
  });
  try {
    assert.equal((await send(weldr, '/', 30)).filter(name => name === 'b').length, 20);
    await send(weldr, '/status/503', 3);
    assert.equal(await admin<Sums>(weldr, '/stats'), {
      client: { success: 30, failed: 3 },
      server: { success: 30, failed: 3 },
    });
    const rows = await admin<Record<string, unknown>[]>(weldr, '/stats/detail');
    assert.equal(
      rows.map(({ id, ip, port, success, failed }) => ({ id, ip, port, success, failed })),
      [
        { id: a?.url, ip: '127.0.0.1', port: String(a?.port), success: 10, failed: 1 },
        { id: b?.url, ip: '127.0.0.1', port: String(b?.port), success: 20, failed: 2 },
      ],
    );
    await b?.close();
    await a?.close();
    await send(weldr, '/', 2);
    assert.equal((await admin<Sums>(weldr, '/stats')).server, { success: 30, failed: 5 });
    const [, down] = await admin<Record<string, unknown>[]>(weldr, '/stats/detail');
    assert.ok(Number(down?.['connectErrors']) >= 1);
  } finally {
    await weldr.stop();
    for (const origin of origins) await origin.close();
  }
});

test('a client that leaves counts as failed, and its request is in flight until then', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: configOf([{ url: origin.url }]), workers: 1 });
  try {
    const request = get(`${weldr.url}/slow?ms=30000`);
    request.on('error', () => {});
    while (origin.inFlight === 0) await send(weldr, '/', 1);
    const { client } = await admin<Sums>(weldr, '/stats');
    const [row] = await admin<Record<string, unknown>[]>(weldr, '/stats/detail');
    assert.is(row?.['inFlight'], 1);
    request.destroy();
    while ((await admin<Sums>(weldr, '/stats')).client.failed === client.failed) await send(weldr, '/', 1);
    const [after] = await admin<Record<string, unknown>[]>(weldr, '/stats/detail');
    assert.equal([after?.['inFlight'], after?.['failed']], [0, 1]);
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('numbers outlive a worker that is killed, and a reload', async () => {
  const origin = await startOrigin();
  // A reload would choose another port for 0.
  const config = configOf([{ url: origin.url }], await freePort());
  const weldr = await startWeldr({ config, workers: 1 });
  try {
    await send(weldr, '/', 10);
    assert.is((await admin<Sums>(weldr, '/stats')).client.success, 10);
    const [worker = 0] = weldr.workers();
    process.kill(worker, 'SIGKILL');
    while (weldr.workers().includes(worker) || !(await isReady(weldr))) await sleep(20);
    await send(weldr, '/', 10);
    assert.is((await admin<Sums>(weldr, '/stats')).client.success, 20);
    const from = weldr.logs.length;
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded', { from });
    await send(weldr, '/', 10);
    assert.equal((await admin<Sums>(weldr, '/stats')).client, { success: 30, failed: 0 });
  } finally {
    await weldr.stop();
    await origin.close();
  }
});
