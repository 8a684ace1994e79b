// What happens when: config, operators, sources and restarts, one test for each row of the table in docs/operating.md.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { DiscoverySource } from '../../../core/pool/discovery-source.ts';
import type { ServerInput } from '../../../core/pool/server-definition.ts';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { at } from './api.ts';

const test = suite('what happens when');

const id = 'http://127.0.0.1:1';
const other = 'http://127.0.0.1:2';
const path = '/servers/127.0.0.1/1';

/** A Weldr with a store, which can be reloaded and restarted with another config. */
class World {
  private side: TestManagerSide | undefined;
  private first: TestManagerSide | undefined;
  private source: DiscoverySource | undefined;
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(servers: readonly ServerInput[], previous?: TestManagerSide): Promise<void> {
    const finder = {
      name: 'finder',
      manager: ({ pools }: { pools: { source(name: string): DiscoverySource } }) => {
        this.source = pools.source('inventory');
      },
    };
    const plugins = [
      poolFile({ path: join(this.folder, 'pool.json') }),
      adminApi({ listen: '127.0.0.1:0' }),
      healthCheck({ interval: '10s', path: '/config' }),
      finder,
    ];
    this.side = await managerSide(plugins, { servers, ...(previous && { previous, clock: previous.clock }) });
    // The pools outlive a reload, and write changes to the log that they began with.
    if (previous === undefined) this.first = this.side;
  }

  /** The config is edited, and read again. */
  async reload(servers: readonly ServerInput[]): Promise<void> {
    const before = this.running;
    await before.close();
    await this.start(servers, before);
  }

  async restart(servers: readonly ServerInput[]): Promise<void> {
    await this.running.close();
    await this.start(servers);
  }

  get running(): TestManagerSide {
    if (this.side === undefined) throw new Error('it was not started');
    return this.side;
  }

  find(servers: readonly ServerInput[]): void {
    this.source?.replace('default', servers);
  }

  async call(method: string, target: string, body?: unknown): Promise<unknown> {
    return (await this.running.admin(method, target, body)).body;
  }

  async refusal(method: string, target: string, body?: unknown): Promise<string> {
    return await this.running.admin(method, target, body).then(
      () => 'not refused',
      (error: { code: string }) => error.code,
    );
  }

  /** The log lines about changes. */
  get changeLog(): string[] {
    return (this.first?.logs ?? []).flatMap(line => (line['what'] === undefined ? [] : line.msg));
  }

  /** What is active: `weight state layer` by URL. */
  get shown(): Record<string, string> {
    return Object.fromEntries(
      [...this.running.pools.list('default')].map(({ upstream: { id: url, weight, state }, layer }) => [
        url,
        `${weight} ${state} ${layer}`,
      ]),
    );
  }
}

function when(what: string, body: (world: World) => Promise<void>): void {
  test(what, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weldr-layers-'));
    const world = new World(folder);
    try {
      await body(world);
    } finally {
      await world.running.close();
      rmSync(folder, { recursive: true });
    }
  });
}

when('a server is drained and enabled again: it is the config’s as before', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { state: 'draining' });
  await w.call('PATCH', path, { state: 'active' });
  assert.equal([...w.running.pools.state.all], [], 'nothing is stored');
  await w.reload([{ url: id, weight: 5 }]);
  assert.equal(w.shown, { [id]: '5 active config' });
  await w.reload([other]);
  assert.equal(w.shown, { [other]: '1 active config' });
});

when('a field is changed at run time and then in the config: the operator’s change stays', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7 });
  await w.reload([{ url: id, weight: 3 }]);
  assert.equal(w.shown, { [id]: '7 active config' });
  await w.restart([{ url: id, weight: 4 }]);
  const { value, config, by } = Object(at(await w.call('GET', path), 'overrides.weight'));
  assert.equal([value, config, by], [7, 4, 'a test']);
});

when('a field is changed at run time and the config changes another: both are active', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7 });
  await w.reload([{ url: id, weight: 2, host: 'upstream' }]);
  assert.equal(
    [at(await w.call('GET', path), 'weight'), at(await w.call('GET', path), 'host')],
    [7, 'upstream'],
  );
});

when('a field is set to what the config says: it is the config’s again', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7 });
  await w.call('PATCH', path, { weight: 2 });
  assert.is(at(await w.call('GET', path), 'overrides'), undefined);
  await w.reload([{ url: id, weight: 9 }]);
  assert.equal(w.shown, { [id]: '9 active config' });
});

when('a field of a nested object is changed: the others are the config’s', async w => {
  await w.start([{ url: id, healthCheck: { path: '/a', failures: 4 } }]);
  await w.call('PATCH', path, { healthCheck: { path: '/b' } });
  await w.reload([{ url: id, healthCheck: { path: '/c', failures: 9 } }]);
  assert.equal(at(await w.call('GET', path), 'healthCheck'), { path: '/b', failures: 9 });
});

when('a field is set to null: its default is active', async w => {
  await w.start([{ url: id, weight: 5 }]);
  await w.call('PATCH', path, { weight: null });
  assert.equal(w.shown, { [id]: '1 active config' });
});

when('the config drops a server that was changed: it leaves, and comes back as changed', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7 });
  await w.reload([]);
  assert.equal(w.shown, {});
  await w.restart([id]);
  assert.equal(w.shown, { [id]: '7 active config' });
});

when('a server that no config lists is added: it stays over reloads and restarts', async w => {
  await w.start([]);
  await w.call('POST', '/servers', { url: id, weight: 3 });
  await w.reload([other]);
  await w.restart([]);
  assert.equal(w.shown, { [id]: '3 active api' });
});

when('a server that was added is then listed: the added one stays, and shows what it shadows', async w => {
  await w.start([]);
  await w.call('POST', '/servers', { url: id, weight: 3 });
  await w.reload([{ url: id, weight: 8 }]);
  assert.equal(w.shown, { [id]: '3 active api' });
  assert.is(at(await w.call('GET', path), 'shadows'), 'config');
  await w.call('DELETE', `${path}?override`);
  assert.equal(w.shown, { [id]: '8 active config' });
});

when('a server that the config lists is posted: only what differs is kept', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('POST', '/servers', { url: id, weight: 2, host: 'upstream' });
  assert.equal(Object.keys(Object(at(await w.call('GET', path), 'overrides'))), ['host']);
});

when('a server that the config lists is removed: it stays away over reloads and restarts', async w => {
  await w.start([id, other]);
  await w.call('DELETE', path);
  await w.reload([id, other]);
  await w.restart([id, other]);
  assert.equal(w.shown, { [other]: '1 active config' });
  const removed = at(await w.call('GET', '/servers?state=removed'), 'servers.0');
  assert.equal([at(removed, 'id'), at(removed, 'state')], [id, 'removed']);
});

when('the config drops a removed server and lists it again: it stays away', async w => {
  await w.start([id]);
  await w.call('DELETE', path);
  await w.reload([]);
  await w.reload([id]);
  assert.equal(w.shown, {});
});

when('a removed server is added again: it is as the config says', async w => {
  await w.start([{ url: id, weight: 6, host: 'upstream' }]);
  await w.call('DELETE', path);
  await w.call('POST', '/servers', { url: id });
  assert.equal(w.shown, { [id]: '6 active config' });
  assert.equal([...w.running.pools.state.all], []);
});

when('a removed server is forgotten: it is as the config says', async w => {
  await w.start([{ url: id, weight: 6 }]);
  await w.call('DELETE', path);
  await w.call('DELETE', `${path}?override`);
  assert.equal(w.shown, { [id]: '6 active config' });
});

when('a removed server is patched: it does not exist', async w => {
  await w.start([id]);
  await w.call('DELETE', path);
  assert.is(await w.refusal('PATCH', path, { weight: 2 }), 'NOT_FOUND');
});

when('one field is forgotten: the others stay changed', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7, host: 'upstream' });
  await w.call('DELETE', `${path}?override=weight`);
  assert.equal(Object.keys(Object(at(await w.call('GET', path), 'overrides'))), ['host']);
  assert.equal(w.shown, { [id]: '2 active config' });
});

when('an added server is forgotten: that is refused, as nothing would be left', async w => {
  await w.start([]);
  await w.call('POST', '/servers', { url: id });
  assert.is(await w.refusal('DELETE', `${path}?override`), 'INPUT_INVALID');
  assert.equal(w.shown, { [id]: '1 active api' });
});

when('a registration with a ttl is not repeated: the layer below is active', async w => {
  // Nothing listens there, and time passes: a check would find it down.
  await w.start([{ url: id, weight: 2, healthCheck: { enabled: false } }]);
  await w.call('POST', '/servers', { url: id, weight: 9, ttl: '5s' });
  await w.call('POST', '/servers', { url: other, ttl: '5s' });
  await w.running.clock.advanceAsync(4000);
  await w.call('POST', '/servers', { url: id, ttl: '5s' });
  await w.running.clock.advanceAsync(4000);
  await until('what is not repeated is gone', () => w.shown[other] === undefined);
  assert.equal(w.shown, { [id]: '9 active config' }, 'what is repeated stays');
  await w.running.clock.advanceAsync(1000);
  await until('the config decides', () => w.shown[id] === '2 active config');
});

when('a source finds a server: an operator’s change lies over it, and ends with it', async w => {
  await w.start([]);
  w.find([{ url: id, weight: 4 }]);
  await w.call('PATCH', path, { state: 'draining' });
  w.find([{ url: id, weight: 6 }]);
  assert.equal(w.shown, { [id]: '6 draining discovered:inventory' });
  assert.is(w.running.pools.get('default', id)?.upstream.record.reason, 'draining by an operator');
  w.find([]);
  assert.equal(w.shown, {});
});

when('a server is in the config and a source finds it: the config decides', async w => {
  await w.start([{ url: id, weight: 2 }]);
  w.find([{ url: id, weight: 6 }]);
  assert.equal(w.shown, { [id]: '2 active config' });
  await w.reload([]);
  w.find([{ url: id, weight: 6 }]);
  assert.equal(w.shown, { [id]: '6 active discovered:inventory' });
});

when('settings are changed at run time: what was not changed follows the config', async w => {
  await w.start([]);
  const shown = Object(await w.call('GET', '/health-check'));
  await w.call('PUT', '/health-check', { ...shown, interval: '2s' });
  assert.equal(Object.keys(Object(at(await w.call('GET', '/health-check'), 'overrides'))), ['interval']);
  await w.call('DELETE', '/health-check?override=interval');
  assert.is(at(await w.call('GET', '/health-check'), 'interval'), 10_000);
});

when('all is reset: the config and the sources decide', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7 });
  await w.call('POST', '/servers', { url: other });
  await w.call('PATCH', '/health-check', { interval: '2s' });
  await w.call('POST', '/pool/reset');
  assert.equal(w.shown, { [id]: '2 active config' });
  assert.is(at(await w.call('GET', '/health-check'), 'interval'), 10_000);
});

when('something is changed: the log says what, from, to and by whom, once', async w => {
  await w.start([{ url: id, weight: 2 }]);
  await w.call('PATCH', path, { weight: 7, host: 'upstream' });
  await w.call('PATCH', path, { weight: 7 });
  await w.reload([{ url: id, weight: 2, healthCheck: { path: '/x' } }, other]);
  w.find(['http://127.0.0.1:3']);
  await w.call('POST', '/servers', { url: 'http://127.0.0.1:4', ttl: '5s' });
  await w.running.clock.advanceAsync(5000);
  await until('it is gone', () => w.shown['http://127.0.0.1:4'] === undefined);
  const server = (port: number) => `server http://127.0.0.1:${port} in pool default`;
  assert.equal(w.changeLog, [
    `${server(1)}: weight from 2 to 7, by a test`,
    `${server(1)}: host from none to "upstream", by a test`,
    `${server(1)}: healthCheck from none to {"path":"/x"}, by the config`,
    `${server(2)} is new, by the config`,
    `${server(3)} is new, by discovered:inventory`,
    `${server(4)} is new, by a test`,
    `${server(4)} is removed, by ttl`,
  ]);
});
