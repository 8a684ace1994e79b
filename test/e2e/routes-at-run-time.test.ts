// Routes that change while two workers serve: active once the call is answered, kept over a reload and kill -9.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('routes that change', { timeoutMs: 240_000 });

let origins: Origin[] = [];
let weldr: TestWeldr;
let text: string;

test.before(async () => {
  origins = await Promise.all(['default', 'blue', 'green'].map(name => startOrigin({ name })));
  const [here, blue, green] = origins.map(({ url }) => url);
  text = `
    import { defineConfig } from 'weldr';
    import { adminApi, poolFile, roundRobin, routes } from 'weldr/plugins';
    export default defineConfig({
      listen: ['127.0.0.1:0'], workers: 2, servers: ['${here}'],
      pools: { blue: ['${blue}'], green: ['${green}'] },
      plugins: [
        routes([{ name: 'shop', path: '/shop/*', pool: 'blue' }]),
        roundRobin(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${await freePort()}' }),
      ],
    });`;
  weldr = await startWeldr({ config: text });
});
test.after(async () => {
  await weldr.stop({ keep: true });
  rmSync(weldr.folder, { recursive: true, force: true });
  for (const origin of origins) await origin.close();
});

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  return await fetch(`${weldr.adminUrl}${path}`, { method, ...json });
}

/** Returns the pools that answer eight requests over new connections, enough to reach both workers. */
async function seen(path: string): Promise<string[]> {
  const names = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const response = await fetch(`${weldr.url}${path}`, { headers: { Connection: 'close' } });
      await response.body?.cancel();
      return response.headers.get('x-origin') ?? String(response.status);
    }),
  );
  return [...new Set(names)].sort();
}

interface Sent {
  readonly at: number;
  readonly origin: string;
}

/** Requests one after another over kept connections, each with its time and the pool that answered. */
function load(paths: readonly string[]): { readonly sent: Sent[]; stop(): Promise<void> } {
  const sent: Sent[] = [];
  let over = false;
  const loops = paths.map(async path => {
    while (!over) {
      const at = performance.now();
      const response = await fetch(`${weldr.url}${path}`);
      await response.text();
      sent.push({ at, origin: response.headers.get('x-origin') ?? String(response.status) });
    }
  });
  return {
    sent,
    async stop() {
      over = true;
      await Promise.all(loops);
    },
  };
}

test('a put, patch or delete of a route is active in both workers once the call is answered', async () => {
  assert.is((await call('PUT', '/routes/new', { path: '/new', pool: 'green' })).status, 201);
  assert.equal(await seen('/new'), ['green']);
  assert.is((await call('PATCH', '/routes/new', { pool: 'blue' })).status, 200);
  assert.equal(await seen('/new'), ['blue']);
  assert.is((await call('DELETE', '/routes/new')).status, 204);
  assert.equal(await seen('/new'), ['default']);
});

test('no request after the answer of a blue/green switch meets the old rule, and none fails', async () => {
  await call('PUT', '/routes/b', { path: '/b/*', pool: 'blue' });
  const running = load(['/shop/1', '/shop/2', '/b/1', '/b/2']);
  const switches: { at: number; to: string }[] = [];
  for (let i = 0; i < 20; i++) {
    const to = i % 2 === 0 ? 'green' : 'blue';
    const changes = ['shop', 'b'].map(name => ({ kind: 'route', op: 'patch', name, value: { pool: to } }));
    assert.is((await call('POST', '/batch', { changes })).status, 200);
    switches.push({ at: performance.now(), to });
    await sleep(10);
  }
  const last = switches.at(-1)?.at ?? 0;
  await running.stop();
  for (const { at, origin } of running.sent) {
    assert.ok(['blue', 'green'].includes(origin), origin);
    const before = switches.filter(one => one.at <= at).at(-1);
    const next = switches.find(one => one.at > at);
    // Between one answer and the next call only one rule is valid.
    if (before !== undefined && (next === undefined || at < before.at + 5)) assert.is(origin, before.to);
  }
  assert.ok(running.sent.some(({ at }) => at < last));
});

test('the replacement of a worker and the workers of a reload have the routes', async () => {
  await call('PUT', '/routes/kept', { path: '/kept', pool: 'green' });
  const [first] = weldr.workers();
  process.kill(first ?? 0, 'SIGKILL');
  await weldr.logged(({ msg }) => msg.startsWith('a worker died'));
  await call('PUT', '/routes/later', { path: '/later', pool: 'blue' });
  assert.equal([await seen('/kept'), await seen('/later')], [['green'], ['blue']]);
  weldr.writeConfig(text.replace("pool: 'blue' }", "pool: 'blue', priority: 1 }"));
  assert.is((await call('POST', '/reload')).status, 200);
  assert.equal([await seen('/kept'), await seen('/later')], [['green'], ['blue']]);
  assert.is(Reflect.get(Object(await (await call('GET', '/routes/shop')).json()), 'priority'), 1);
});

test('a route whose pool is gone after a reload answers 503, is shown, and is logged', async () => {
  const from = weldr.logs.length;
  weldr.writeConfig(text.replace(/, green: \[[^\]]*\]/, ''));
  assert.is((await call('POST', '/reload')).status, 200);
  assert.equal(await seen('/kept'), ['503']);
  const { msg } = await weldr.logged(record => record.msg.includes('route kept leads to green'), { from });
  assert.match(msg, /answered with 503/);
  assert.equal(Reflect.get(Object(await (await call('GET', '/routes/kept')).json()), 'dangling'), ['green']);
  weldr.writeConfig(text);
  assert.is((await call('POST', '/reload')).status, 200);
  assert.equal(await seen('/kept'), ['green']);
});

test('acknowledged routes exist after kill -9', async () => {
  for (let i = 0; i < 20; i++) {
    assert.is((await call('PUT', `/routes/r${i}`, { path: `/r${i}`, pool: 'green' })).status, 201);
  }
  const { folder } = weldr;
  await weldr.kill({ keep: true });
  weldr = await startWeldr({ config: text, folder });
  for (const path of ['/r0', '/r19', '/kept', '/later']) {
    assert.equal(await seen(path), [path === '/later' ? 'blue' : 'green'], path);
  }
});
