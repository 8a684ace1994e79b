// admin-api: Weldr as a whole: its index, probes, reload, moving a pool, and the server's own start and end.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { suite } from '../../support/suite.ts';
import { addressOf, at, callsTo, withApi } from './api.ts';

const test = suite('admin-api manager');

const url = (port: number): string => `http://127.0.0.1:${port}`;

test('GET / names what this is and links to everything, later plugins included', async () => {
  await withApi({ after: [healthCheck()], status: { version: '1.2.3' } }, async ({ call, side }) => {
    const { body } = await call('GET', '/');
    assert.equal([at(body, 'name'), at(body, 'version')], ['weldr', '1.2.3']);
    const links = at(body, 'links');
    if (!Array.isArray(links)) throw new Error('no links');
    assert.is(links.length, side.routes.size);
    const find = (rel: string): unknown => links.find(link => at(link, 'rel') === rel);
    assert.equal(find('servers'), { rel: 'servers', href: '/servers', method: 'GET' });
    assert.equal(find('server'), {
      rel: 'server',
      href: '/servers/{ip}/{port}',
      method: 'GET',
      templated: true,
    });
    assert.equal(find('health-check'), { rel: 'health-check', href: '/health-check', method: 'GET' });
    const plain = links.filter(link => at(link, 'method') === 'GET' && at(link, 'templated') === undefined);
    for (const link of plain) {
      const { status } = await call('GET', String(at(link, 'href')));
      assert.ok(status === 200 || at(link, 'rel') === 'readyz', String(at(link, 'href')));
    }
    assert.is((await call('PUT', '/health-check', { interval: '7s' })).status, 200);
  });
});

test('it is always alive, and ready while a worker listens and nothing stops', async () => {
  const cases = [
    [{ readyWorkers: 2, wantedWorkers: 2 }, 200, undefined],
    [{ readyWorkers: 1, wantedWorkers: 2, silentWorkers: 1 }, 200, undefined],
    [{ readyWorkers: 0, wantedWorkers: 2 }, 503, 'no worker accepts connections'],
    [{ readyWorkers: 0, wantedWorkers: 2, silentWorkers: 2 }, 503, 'no worker responds'],
    [{ readyWorkers: 2, wantedWorkers: 2, stopping: true }, 503, 'this Weldr is stopping'],
  ] as const;
  for (const [status, expected, reason] of cases) {
    await withApi({ status }, async ({ call }) => {
      assert.is((await call('GET', '/healthz')).status, 200);
      const answer = await call('GET', '/readyz');
      assert.equal([answer.status, at(answer.body, 'ready')], [expected, expected === 200]);
      assert.is(at(answer.body, 'reason'), reason);
    });
  }
});

test('a pool moves from one store to another by export and import, and a repetition changes nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-move-'));
  const servers = [url(1), url(2)];
  try {
    let exported: unknown;
    await withApi({ before: [poolFile({ path: join(folder, 'a.json') })], servers }, async ({ call }) => {
      await call('POST', '/servers', { url: url(3), weight: 4, ttl: '1h' });
      await call('PATCH', '/servers/127.0.0.1/1', { state: 'disabled' });
      await call('DELETE', '/servers/127.0.0.1/2');
      exported = (await call('GET', '/pool/export')).body;
    });
    const into = [poolFile({ path: join(folder, 'b.json') })];
    await withApi({ before: into, servers }, async ({ call, side }) => {
      for (let again = 0; again < 2; again++) {
        const answer = await call('POST', '/pool/import', exported);
        assert.equal([answer.status, at(answer.body, 'imported.rows')], [200, 3]);
        const shown = [...side.pools.list('default')].map(e => [
          e.upstream.id,
          e.upstream.state,
          e.server.weight,
        ]);
        assert.equal(shown.sort(), [
          [url(1), 'disabled', 1],
          [url(3), 'active', 4],
        ]);
      }
      assert.equal((await call('GET', '/pool/export')).body, exported);
    });
    await withApi({ before: into, servers }, async ({ side }) => assert.is(side.pools.default.size, 2));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an invalid import is refused with the place of the mistake and changes nothing', async () => {
  await withApi({}, async ({ call, side }) => {
    const good = { pool: 'default', id: url(1), kind: 'added', server: { url: url(1) } };
    const value = { url: url(1) };
    const row = { kind: 'server', key: `default/${url(1)}`, op: 'define', value, by: 'me', at: 1 };
    const cases: [unknown, string | undefined][] = [
      [undefined, undefined],
      [{ rows: [row, { ...row, value: { url: url(1), weight: 0 } }] }, 'rows[1].value'],
      [{ rows: [{ ...row, op: 'shrink' }] }, 'rows[0].op'],
      [{ entries: [] }, 'settings'],
      [
        { entries: [good, { ...good, server: { url: url(1), weight: 0 } }], settings: [] },
        'entries[1].server.weight',
      ],
      [{ entries: [{ ...good, id: url(2) }], settings: [] }, 'entries[0].id'],
      [{ entries: [{ ...good, pool: 'no pool' }], settings: [] }, 'entries[0].pool'],
    ];
    for (const [body, field] of cases) {
      const answer = await call('POST', '/pool/import', body);
      assert.equal([answer.status, at(answer.body, 'field')], [400, field]);
    }
    assert.is(side.pools.default.size, 0);
  });
});

test('a large pool can be imported', async () => {
  await withApi({}, async ({ call, side }) => {
    const entries = Array.from({ length: 3000 }, (_, i) => {
      return { pool: 'default', id: url(i + 1000), kind: 'added', server: { url: url(i + 1000) } };
    });
    assert.is((await call('POST', '/pool/import', { entries, settings: [] })).status, 200);
    assert.is(side.pools.default.size, 3000);
  });
});

test('POST /pool/reset forgets run-time changes', async () => {
  await withApi({ servers: [url(1)] }, async ({ call, side }) => {
    await call('DELETE', '/servers/127.0.0.1/1');
    await call('POST', '/servers', { url: url(2) });
    assert.is((await call('POST', '/pool/reset')).status, 204);
    assert.equal(
      [...side.pools.default].map(u => u.id),
      [url(1)],
    );
  });
});

test('POST /reload is answered though it closes the server, and the address is reused at once', async () => {
  const sides: TestManagerSide[] = [];
  let address = '';
  const first = await managerSide(adminApi({ listen: '127.0.0.1:0' }), {
    async reload() {
      await first.close();
      sides.push(await managerSide(adminApi({ listen: address }), { previous: first, clock: first.clock }));
      // The answer takes longer than a close waits for other answers.
      await sleep(1200);
    },
  });
  address = addressOf(first);
  const { call } = callsTo(address);
  const startedAt = performance.now();
  const answer = call('POST', '/reload');
  while (sides.length === 0) await sleep(5);
  assert.is((await call('GET', '/healthz')).status, 200, 'the new one answers');
  assert.equal([(await answer).status, (await answer).body], [200, { reloaded: true }]);
  assert.ok(performance.now() - startedAt > 1000);
  for (const side of sides) await side.close();
});

test('a reload that is refused is answered with the reason', async () => {
  const reload = async (): Promise<void> => {
    throw new WeldrError('CONFIG_INVALID', 'plugins[0].interval: no', { field: 'plugins[0].interval' });
  };
  await withApi({ reload }, async ({ call }) => {
    const { status, body } = await call('POST', '/reload');
    assert.equal([status, at(body, 'field')], [400, 'plugins[0].interval']);
  });
});

test('an address in use fails the start with the address and the remedy', async () => {
  const other = createServer();
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const failure: unknown = await managerSide(adminApi({ listen: `127.0.0.1:${port}` })).catch(
    (e: unknown) => e,
  );
  other.close();
  assert.ok(failure instanceof WeldrError);
  assert.equal([failure.code, failure.field], ['LISTEN_FAILED', 'listen']);
  assert.match(
    failure.message,
    new RegExp(`127\\.0\\.0\\.1:${port}: the port is taken by another process; stop it, or choose`),
  );
});

test('a close lets answers under way finish, and cuts idle connections and those that take too long', async () => {
  const gate = Promise.withResolvers<void>();
  const plugin = {
    name: 'slow',
    manager(m: { admin: { add(route: object): void } }) {
      const after = (promise: Promise<void>) => async () => {
        await promise;
        return { status: 200, body: 'done' };
      };
      m.admin.add({ method: 'GET', path: '/slow', handle: after(gate.promise) });
      m.admin.add({ method: 'GET', path: '/never', handle: after(new Promise(() => {})) });
    },
  };
  const side = await managerSide([adminApi({ listen: '127.0.0.1:0' }), plugin]);
  const { call, address } = callsTo(addressOf(side));
  const [host, port] = address.split(':');
  const idle = connect(Number(port), host);
  const idleClosed = new Promise(resolve => idle.once('close', resolve));
  await new Promise(resolve => idle.once('connect', resolve));
  const slow = call('GET', '/slow');
  const never = call('GET', '/never').then(
    () => 'answered',
    () => 'cut',
  );
  await sleep(50);
  const closed = side.close();
  await sleep(20);
  const refused = await call('GET', '/healthz').catch((error: Error) => error.message);
  assert.match(String(refused), /ECONNREFUSED/);
  gate.resolve();
  assert.is((await slow).status, 200);
  await closed;
  assert.is(await never, 'cut');
  await idleClosed;
});

test('it serves IPv6', async () => {
  await withApi({ api: { listen: '[::1]:0' } }, async ({ address, call }) => {
    assert.match(address, /^\[::1\]:\d+$/);
    assert.is((await call('GET', '/healthz')).status, 200);
    assert.is((await call('GET', '/servers')).status, 200);
  });
});
