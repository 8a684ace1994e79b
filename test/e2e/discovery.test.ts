// Servers discovered by a real Weldr under load, from a file, a DNS name and a container engine, all in one pool. Lists
// change, sources fall silent, the config is reloaded, sources leave it; and no request is lost.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { ContainerEngine } from '../support/container-engine.ts';
import { NameServer } from '../support/name-server.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';
import { startLoad } from './client-load.ts';

const test = suite('discovered servers');

test('lose no request when they change or leave, when their sources fall silent, and at a reload', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-discovery-'));
  const path = join(folder, 'servers.yaml');
  const list = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const origins = await Promise.all(
    ['listed', 'listed-later', 'named', 'contained', 'contained-later'].map(name => startOrigin({ name })),
  );
  const [listed, later, named, contained, successor] = origins;
  assert.ok(listed && later && named && contained && successor);
  const names = await NameServer.start(['127.0.0.1 host.test'], {
    services: [`_http._tcp.app.test,host.test,${named.port},1,1`],
  });
  const engine = await ContainerEngine.start();
  const container = (port: number) => ({
    labels: { 'weldr.enable': 'true' },
    networks: { host: '' },
    ports: [port],
  });
  engine.run('web-1', container(contained.port));
  list(`- targets: ['127.0.0.1:${listed.port}']\n  labels: { zone: a }\n`);
  const config = (plugins: string, servers: readonly string[] = []) => `
    import { defineConfig } from 'weldr';
    import { adminApi, dnsDiscovery, dockerDiscovery, fileDiscovery, roundRobin } from 'weldr/plugins';
    const found = [
      dnsDiscovery({ srv: '_http._tcp.app.test', resolver: ['${names.address}'], interval: '200ms' }),
      fileDiscovery({ path: '${path}' }),
      dockerDiscovery({ socket: '${engine.socket}' }),
    ];
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 1, servers: ${JSON.stringify(servers)},
      plugins: [${plugins} roundRobin(), adminApi({ listen: '127.0.0.1:0' })],
    });`;
  const weldr = await startWeldr({ config: config('...found,') });
  const load = startLoad(weldr.url, 4);
  const admin = async (path: string): Promise<string> => {
    // It gets another port with each reload.
    const line = weldr.logs.findLast(
      ({ plugin, address }) => plugin === 'admin-api' && address !== undefined,
    );
    return await (await fetch(`http://${line?.['address']}${path}`)).text();
  };
  const servers = (): Promise<string> => admin('/servers');
  const reload = async (): Promise<void> => {
    const from = weldr.logs.length;
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded', { from });
  };
  const asked = async (...names: readonly string[]): Promise<void> => {
    const before = new Map(load.origins);
    await until(`${names} get requests`, () =>
      names.every(name => (load.origins.get(name) ?? 0) > (before.get(name) ?? 0)),
    );
  };
  try {
    await asked('listed', 'named', 'contained');
    const { sources } = JSON.parse(await admin('/pools/default'));
    assert.equal(sources, [
      { source: 'dns-default', servers: 1 },
      { source: 'file-default', servers: 1 },
      { source: 'docker-default', servers: 1 },
    ]);
    list(`- http://127.0.0.1:${later.port}\n`);
    engine.run('web-2', container(successor.port));
    engine.remove('web-1');
    await asked('listed-later', 'named', 'contained-later');
    await until('those before have left', async () => !(await servers()).includes(`:${contained.port}`));
    // Now all three fail.
    await names.close();
    await engine.stop();
    list('- [\n');
    await weldr.logged(({ plugin, level }) => plugin === 'dns-discovery' && level === 50);
    await weldr.logged(({ plugin, level }) => plugin === 'docker-discovery' && level >= 40);
    await weldr.logged(({ plugin, level }) => plugin === 'file-discovery' && level === 50);
    await reload();
    await asked('listed-later', 'named', 'contained-later');
    weldr.writeConfig(config('', [named.url]));
    await reload();
    await until(
      'discovered servers have left',
      async () => !(await servers()).includes('"layer":"discovered:'),
      20_000,
    );
    await asked('named');
  } finally {
    await load.stop();
    await weldr.stop();
    await engine.close();
    await names.close();
    await Promise.all(origins.map(origin => origin.close()));
    rmSync(folder, { recursive: true, force: true });
  }
  assert.equal(load.errors, []);
  assert.equal([...load.statuses.keys()], [200]);
});
