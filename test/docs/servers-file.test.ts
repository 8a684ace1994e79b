// The example plugin that discovers servers: with a real file, and in a real Weldr during requests and reloads.
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { managerSide, type TestManagerSide } from '../../core/testing.ts';
import { serversFile } from '../../docs/examples/servers-file.ts';
import { startLoad } from '../e2e/client-load.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('the example servers-file', { timeoutMs: 300_000, testTimeoutMs: 150_000 });

const example = readFileSync(new URL('../../docs/examples/servers-file.ts', import.meta.url), 'utf8');

let folder = '';
let path = '';
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'weldr-servers-'));
  path = join(folder, 'servers.json');
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

function list(servers: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(servers));
  renameSync(`${path}.new`, path);
}

const shown = (side: TestManagerSide, pool = 'default') =>
  [...side.pools.list(pool)].map(({ upstream, layer }) => `${upstream.id} ${upstream.weight} ${layer}`);

test('follows its file, and keeps its servers while the file is broken', async () => {
  list(['http://a:1', { url: 'http://b:1', weight: 2 }]);
  const side = await managerSide(serversFile({ path, interval: 100 }));
  try {
    const layer = 'discovered:servers-file';
    assert.equal(shown(side), [`http://a:1 1 ${layer}`, `http://b:1 2 ${layer}`]);
    list(['http://b:1', 'http://c:1']);
    side.clock.advance(100);
    await until(
      'the file was read',
      () => shown(side).length === 2 && shown(side)[1] === `http://c:1 1 ${layer}`,
    );
    list(['http://b:1', { url: 'http://c:1', weight: 'much' }]);
    side.clock.advance(100);
    await until('the trouble was logged', () => side.logs.some(({ level }) => level === 'error'));
    assert.equal(shown(side), [`http://b:1 1 ${layer}`, `http://c:1 1 ${layer}`]);
  } finally {
    await side.close();
  }
});

test('leaves a pool that it no longer serves', async () => {
  list(['http://a:1']);
  const first = await managerSide(serversFile({ path }));
  await first.close();
  const second = await managerSide(serversFile({ path, pool: 'blue' }), { previous: first });
  assert.equal([shown(second), shown(second, 'blue').length], [[], 1]);
  await second.close();
});

test('loses no request while servers come and go, during reloads, and when it leaves the config', async () => {
  const origins = await Promise.all([startOrigin(), startOrigin(), startOrigin()]);
  const [a = '', b = '', c = ''] = origins.map(origin => origin.url);
  const lists = [
    [a, b],
    [b, { url: c, weight: 3 }],
    [c, a],
  ];
  list(lists[0]);
  const config = (plugin: string, servers: readonly string[]) => `
    import { defineConfig } from 'weldr';
    import { adminApi, roundRobin } from 'weldr/plugins';
    import { serversFile } from './servers-file.ts';
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 2, servers: ${JSON.stringify(servers)},
      plugins: [${plugin} roundRobin(), adminApi({ listen: '127.0.0.1:0' })],
    });`;
  const finding = `serversFile({ path: '${path}', interval: 20 }),`;
  const weldr = await startWeldr({ config: config(finding, []), files: { 'servers-file.ts': example } });
  const reload = async (): Promise<void> => {
    const from = weldr.logs.length;
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded', { from, timeoutMs: 60_000 });
  };
  const load = startLoad(weldr.url);
  let changing = true;
  const change = (async () => {
    for (let i = 1; changing; i++) {
      list(lists[i % lists.length]);
      await sleep(30);
    }
  })();
  try {
    try {
      await until('all were used', () => load.origins.size === 3);
      for (let i = 0; i < 2; i++) await reload();
      changing = false;
      await change;
      const before = load.answered;
      weldr.writeConfig(config('', [a]));
      await reload();
      await until('requests go on', () => load.answered > before + 50);
    } finally {
      changing = false;
      await change;
      await load.stop();
    }
    assert.equal(load.errors, []);
    assert.equal([...load.statuses.keys()], [200]);
    const api = weldr.logs.findLast(line => line['plugin'] === 'admin-api' && 'address' in line);
    let answer = '';
    const left = async (): Promise<boolean> => {
      answer = await (await fetch(`http://${api?.['address']}/servers`)).text();
      return answer.includes(a) && !answer.includes('"layer":"discovered:');
    };
    // A drain may take `drainTimeout`.
    await until('the discovered servers have left', left, 40_000).catch(() => assert.is(answer, ''));
  } finally {
    await weldr.stop();
    await Promise.all(origins.map(origin => origin.close()));
  }
});
