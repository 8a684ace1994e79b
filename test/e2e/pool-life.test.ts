// The life of a pool under traffic, with real processes and the plugins of the default config.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';
import { type ClientLoad, startLoad } from './client-load.ts';

const test = suite('the life of a pool');

/** The default config on free ports, with faster checks. */
const config = (options: { servers?: readonly string[]; workers?: number; adminPort?: number } = {}) => `
import { defineConfig } from 'weldr';
import { adminApi, healthCheck, poolFile, retry, roundRobin, stats } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: ${options.workers ?? 1}, servers: ${JSON.stringify(options.servers ?? [])},
  plugins: [
    roundRobin(), retry(),
    healthCheck({ interval: '200ms', timeout: '1s', failures: 3, passes: 2 }),
    stats(), poolFile({ path: 'weldr-pool.json' }), adminApi({ listen: '127.0.0.1:${options.adminPort ?? 0}' }),
  ],
});`;

const serverList = z.object({ servers: z.array(z.object({ id: z.string(), state: z.string() })) });

async function servers(weldr: TestWeldr) {
  const response = await fetch(`${weldr.adminUrl}/servers`);
  return serverList.parse(await response.json()).servers;
}

async function stateOf(weldr: TestWeldr, origin: Origin): Promise<string | undefined> {
  return (await servers(weldr)).find(server => server.id === origin.url)?.state;
}

async function add(weldr: TestWeldr, origin: Origin): Promise<number> {
  const response = await fetch(`${weldr.adminUrl}/servers`, {
    method: 'POST',
    body: JSON.stringify({ url: origin.url }),
  });
  await response.body?.cancel();
  return response.status;
}

async function remove(weldr: TestWeldr, origin: Origin): Promise<number> {
  const url = `${weldr.adminUrl}/servers/127.0.0.1/${origin.port}?wait`;
  const response = await fetch(url, { method: 'DELETE' });
  await response.body?.cancel();
  return response.status;
}

async function withOrigins(count: number, run: (origins: Origin[]) => Promise<void>): Promise<void> {
  const origins = await Promise.all(Array.from({ length: count }, () => startOrigin()));
  try {
    await run(origins);
  } finally {
    for (const origin of origins) await origin.close();
  }
}

/** Counts answers other than 200. */
function failures(load: ClientLoad): number {
  return load.answered - (load.statuses.get(200) ?? 0);
}

function assertOnly200(load: ClientLoad): void {
  assert.equal(load.errors, [], 'no request failed on the wire');
  assert.equal([...load.statuses.keys()], [200], 'every answer was a 200');
}

test('balances over three servers added by the API to within one request', async () => {
  await withOrigins(3, async origins => {
    const weldr = await startWeldr({ config: config() });
    try {
      for (const origin of origins) assert.is(await add(weldr, origin), 201);
      const counts = new Map<string, number>();
      for (let i = 0; i < 60; i++) {
        const response = await fetch(`${weldr.url}/name`);
        await response.body?.cancel();
        const name = response.headers.get('x-origin') ?? '';
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      assert.equal([...counts.values()], [20, 20, 20]);
    } finally {
      await weldr.stop();
    }
  });
});

test('ejects a dead server after three failed checks, fails no request after that, and readmits it after two passes', async () => {
  await withOrigins(3, async ([dead, ...others]) => {
    if (dead === undefined) throw new Error('no origin');
    const all = [dead, ...others];
    const weldr = await startWeldr({ config: config({ servers: all.map(o => o.url) }) });
    const load = startLoad(`${weldr.url}/x`, 4);
    try {
      await until('all servers get requests', () => load.origins.size === 3);
      await dead.close();
      await until('it is down', async () => (await stateOf(weldr, dead)) === 'down');
      const requests = load.answered;
      await until('others are asked', () => load.answered > requests + 50);
      const before = load.origins.get(dead.name);
      const failedBefore = failures(load);
      await dead.reopen();
      await until('it is active', async () => (await stateOf(weldr, dead)) === 'active');
      await until('it gets requests again', () => (load.origins.get(dead.name) ?? 0) > (before ?? 0));
      assert.is(failures(load), failedBefore, 'no request failed after it was out');
    } finally {
      await load.stop();
      await weldr.stop();
    }
    assert.equal(load.errors, [], 'no request failed on the wire');
    const transitions = weldr.logs.filter(record => record['plugin'] === 'health-check');
    assert.ok(transitions.length >= 2, 'each transition is logged');
  });
});

test('adds and removes servers under load with no failed request', async () => {
  await withOrigins(4, async origins => {
    const [first, ...others] = origins;
    if (first === undefined) throw new Error('no origin');
    const weldr = await startWeldr({ config: config({ servers: [first.url], workers: 2 }) });
    const load = startLoad(`${weldr.url}/slow?ms=5`, 8);
    try {
      for (let round = 0; round < 3; round++) {
        for (const origin of others) assert.is(await add(weldr, origin), 201);
        const answered = load.answered;
        await until('requests are answered', () => load.answered > answered + 40);
        for (const origin of others) assert.is(await remove(weldr, origin), 204);
      }
    } finally {
      await load.stop();
      await weldr.stop();
    }
    assertOnly200(load);
    assert.is(load.origins.size, 4);
  });
});

test('a killed worker loses only its requests in flight, and its replacement has the full pool', async () => {
  await withOrigins(3, async origins => {
    const weldr = await startWeldr({ config: config({ workers: 2 }) });
    const load = startLoad(`${weldr.url}/x`, 8);
    let errors = 0;
    try {
      for (const origin of origins) await add(weldr, origin);
      await until('requests are answered', () => load.origins.size >= 3);
      const before = weldr.workers();
      const [victim] = before;
      if (victim === undefined) throw new Error('no worker');
      process.kill(victim, 'SIGKILL');
      await until('it is replaced', () => {
        const now = weldr.workers();
        return now.length === 2 && !now.includes(victim);
      });
      // A busy client may notice its broken connections only after it has seen the new process.
      for (const when of ['every client has heard of its connection', 'requests continue']) {
        errors = load.errors.length;
        const answered = load.answered;
        await until(when, () => load.answered > answered + 100);
      }
      assert.is(load.errors.length, errors, 'nothing fails after the replacement');
    } finally {
      await load.stop();
      await weldr.stop();
    }
    assert.ok(load.errors.length <= 8, `at most one request a connection was lost: ${load.errors.length}`);
    const { 503: unavailable, ...rest } = Object.fromEntries(load.statuses);
    assert.equal(Object.keys(rest), ['200']);
    assert.ok((unavailable ?? 0) >= 0, 'a 503 can only be from before the first server was added');
  });
});

test('keeps the pool after kill -9 of the manager, whose workers end', async () => {
  await withOrigins(3, async origins => {
    const [listed, added, removed] = origins;
    if (listed === undefined || added === undefined || removed === undefined) throw new Error('no origin');
    const folder = mkdtempSync(join(tmpdir(), 'weldr-e2e-'));
    const text = config({ servers: [listed.url, removed.url], workers: 2 }).replace(
      'weldr-pool.json',
      join(folder, 'pool.json'),
    );
    try {
      const first = await startWeldr({ config: text });
      assert.is(await add(first, added), 201);
      assert.is(await remove(first, removed), 204);
      const workers = first.workers();
      await first.kill();
      assert.not(workers.some(isRunning));
      const second = await startWeldr({ config: text });
      const ids = (await servers(second)).map(server => server.id).sort();
      await second.stop();
      assert.equal(ids, [listed.url, added.url].sort());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('reloads under load without a failed request, with in-flight requests and the pool kept', async () => {
  await withOrigins(2, async origins => {
    const adminPort = await freePort();
    const weldr = await startWeldr({ config: config({ workers: 2, adminPort }) });
    for (const origin of origins) await add(weldr, origin);
    const load = startLoad(`${weldr.url}/slow?ms=3`, 8);
    try {
      for (let round = 0; round < 3; round++) {
        const answered = load.answered;
        await until('requests are answered', () => load.answered > answered + 50);
        const response = await fetch(`${weldr.adminUrl}/reload`, { method: 'POST' });
        assert.is(response.status, 200, await response.text());
      }
      assert.is((await servers(weldr)).length, 2);
    } finally {
      await load.stop();
      await weldr.stop();
    }
    assertOnly200(load);
  });
});

test('counts successes and failures of clients and servers in the documented shape', async () => {
  await withOrigins(1, async ([origin]) => {
    if (origin === undefined) throw new Error('no origin');
    const weldr = await startWeldr({ config: config({ servers: [origin.url] }) });
    try {
      for (const path of ['/a', '/b', '/status/503']) {
        const response = await fetch(weldr.url + path);
        await response.body?.cancel();
      }
      const stats = await (await fetch(`${weldr.adminUrl}/stats`)).json();
      assert.equal(stats, { client: { success: 2, failed: 1 }, server: { success: 2, failed: 1 } });
      const details: unknown = await (await fetch(`${weldr.adminUrl}/stats/detail`)).json();
      const [detail] = z.array(z.record(z.string(), z.unknown())).parse(details);
      const { id, ip, port, success, failed } = detail ?? {};
      assert.equal(
        { id, ip, port, success, failed },
        { id: origin.url, ip: '127.0.0.1', port: String(origin.port), success: 2, failed: 1 },
      );
    } finally {
      await weldr.stop();
    }
  });
});
