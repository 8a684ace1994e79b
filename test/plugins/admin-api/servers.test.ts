// admin-api: servers are listed, added, changed and removed.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import type { ManagerSide, Plugin } from '../../../core/plugin/plugin.ts';
import type { DiscoverySource } from '../../../core/pool/discovery-source.ts';
import type { HealthReport } from '../../../core/pool/pool-entry.ts';
import { Pools } from '../../../core/pool/pools.ts';
import { parseServerAddress } from '../../../core/pool/server-address.ts';
import type { Batch } from '../../../core/state/row.ts';
import type { StateStore } from '../../../core/state/store.ts';
import { managerSide } from '../../../core/testing.ts';
import { adminApi } from '../../../plugins/admin-api/index.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';
import { type Api, at, withApi } from './api.ts';

const test = suite('admin-api servers');

const url = 'http://127.0.0.1:12345';

/** A server as it is shown, without the fields that a test ignores. */
async function shown(api: Api, path: string, ...fields: string[]): Promise<unknown[]> {
  const { body } = await api.call('GET', path);
  return fields.map(field => at(body, field));
}

test('what curl -d sends adds a server', async () => {
  await withApi({}, async ({ side, address }) => {
    const curl = promisify(execFile);
    const { stdout } = await curl('curl', ['-s', '-i', `${address}/servers`, '-d', `{"url":"${url}"}`]);
    assert.match(stdout, /^HTTP\/1\.1 201 Created\r\n/);
    assert.match(stdout, /\r\nLocation: \/servers\/127\.0\.0\.1\/12345\r\n/i);
    assert.ok(side.pools.get('default', url));
  });
});

test('an answer shows the server with its links', async () => {
  await withApi({}, async api => {
    const { status, body } = await api.call('POST', '/servers', {
      url,
      weight: 3,
      healthCheck: { path: '/up' },
    });
    assert.is(status, 201);
    const href = '/servers/127.0.0.1/12345';
    const server = {
      id: url,
      url,
      pool: 'default',
      ip: '127.0.0.1',
      port: 12345,
      state: 'active',
      reason: 'new',
      weight: 3,
      layer: 'api',

      healthCheck: { path: '/up' },
      health: null,
      links: [
        { rel: 'self', href, method: 'GET' },
        { rel: 'update', href, method: 'PATCH' },
        { rel: 'remove', href, method: 'DELETE' },
      ],
    };
    assert.equal(body, server);
    assert.equal((await api.call('GET', href)).body, server);
    assert.equal((await api.call('GET', '/servers')).body, {
      servers: [server],
      links: [
        { rel: 'self', href: '/servers', method: 'GET' },
        { rel: 'add', href: '/servers', method: 'POST' },
      ],
    });
  });
});

test('registering again responds 200, sets the given fields and keeps the rest', async () => {
  await withApi({}, async api => {
    await api.call('POST', '/servers', { url, weight: 3, host: 'upstream', healthCheck: { path: '/up' } });
    const again = await api.call('POST', '/servers', { url });
    assert.is(again.status, 200);
    assert.equal([at(again.body, 'weight'), at(again.body, 'host')], [3, 'upstream']);
    await api.call('POST', '/servers', { url, weight: 5 });
    const path = '/servers/127.0.0.1/12345';
    assert.equal(await shown(api, path, 'weight', 'host', 'healthCheck.path'), [5, 'upstream', '/up']);
  });
});

test('registering again does not undo an operator’s change of its state', async () => {
  await withApi({ servers: [url] }, async api => {
    await api.call('PATCH', '/servers/127.0.0.1/12345', { state: 'disabled' });
    await api.call('POST', '/servers', { url });
    assert.equal(await shown(api, '/servers/127.0.0.1/12345', 'state'), ['disabled']);
  });
});

test('a registration and a change at the same time both take effect', async () => {
  const kept: Batch[] = [];
  const slowStore: StateStore = {
    layer: 'api',
    load: async () => [],
    async write(batch) {
      await sleep(20);
      kept.push(batch);
    },
  };
  const before = [
    {
      name: 'store',
      manager: async ({ operator }: ManagerSide) => await operator.useStore(slowStore),
    },
  ];
  await withApi({ before, servers: [url] }, async api => {
    await Promise.all([
      api.call('PATCH', '/servers/127.0.0.1/12345', { weight: 9 }),
      api.call('POST', '/servers', { url, host: 'upstream' }),
      api.call('PATCH', '/servers/127.0.0.1/12345', { healthCheck: { path: '/x' } }),
    ]);
    assert.equal(await shown(api, '/servers/127.0.0.1/12345', 'weight', 'host', 'healthCheck.path'), [
      9,
      'upstream',
      '/x',
    ]);
    assert.is(kept.length, 3);
  });
});

test('PATCH merges: null removes, the rest stays', async () => {
  await withApi({}, async api => {
    await api.call('POST', '/servers', { url, weight: 3, healthCheck: { path: '/up', interval: '5s' } });
    const path = '/servers/127.0.0.1/12345';
    await api.call('PATCH', path, { healthCheck: { interval: null, port: 99 } });
    assert.equal(await shown(api, path, 'healthCheck', 'weight'), [{ path: '/up', port: 99 }, 3]);
    await api.call('PATCH', path, { healthCheck: null, weight: null });
    assert.equal(await shown(api, path, 'healthCheck', 'weight'), [undefined, 1]);
  });
});

test('PATCH sets the states that an operator may set, and no other', async () => {
  await withApi({ servers: [url] }, async api => {
    const path = '/servers/127.0.0.1/12345';
    for (const state of ['disabled', 'draining', 'active']) {
      const { status, body } = await api.call('PATCH', path, { state });
      assert.equal([status, at(body, 'state')], [200, state]);
    }
    const refused = await api.call('PATCH', path, { state: 'down' });
    assert.equal([refused.status, at(refused.body, 'field')], [400, 'state']);
  });
});

test('PATCH cannot change the URL', async () => {
  await withApi({ servers: [url] }, async api => {
    const answer = await api.call('PATCH', '/servers/127.0.0.1/12345', { url: 'http://127.0.0.1:1' });
    assert.equal([answer.status, at(answer.body, 'field')], [400, 'url']);
  });
});

test('DELETE of a server without requests takes effect at once', async () => {
  await withApi({ servers: [url] }, async api => {
    const { status, text } = await api.call('DELETE', '/servers/127.0.0.1/12345');
    assert.equal([status, text], [204, '']);
    assert.is((await api.call('GET', '/servers/127.0.0.1/12345')).status, 404);
  });
});

/** An API whose worker 1 has a request on `url` until `finish` is called. */
async function withBusyServer(body: (api: Api, finish: () => void) => Promise<void>): Promise<void> {
  await withApi({ servers: [url] }, async api => {
    // A worker that never reports that it is idle.
    const pools = new Pools();
    const leave = api.side.admit(1, {
      apply: change => pools.apply(change),
      applyRows: () => {},
      receive: () => {},
    });
    const finish = (): void => api.side.pools.workerIdle(1, 'default', url);
    try {
      await body(api, finish);
    } finally {
      leave();
    }
  });
}

const path = '/servers/127.0.0.1/12345';

test('DELETE of a server with requests drains it', async () => {
  await withBusyServer(async (api, finish) => {
    const { status, body } = await api.call('DELETE', path);
    assert.equal([status, at(body, 'state'), at(body, 'reason')], [202, 'draining', 'removed']);
    assert.is((await api.call('DELETE', path)).status, 202, 'again');
    finish();
    assert.is((await api.call('GET', path)).status, 404);
  });
});

test('DELETE ?force does not wait for requests', async () => {
  await withBusyServer(async api => {
    assert.is((await api.call('DELETE', `${path}?force`)).status, 204);
    assert.is((await api.call('GET', path)).status, 404);
  });
});

test('DELETE ?wait responds when the server has drained', async () => {
  await withBusyServer(async (api, finish) => {
    let answered = false;
    const removal = api.call('DELETE', `${path}?wait`).then(answer => {
      answered = true;
      return answer;
    });
    while ((await shown(api, path, 'state'))[0] !== 'draining') await sleep(5);
    assert.not(answered);
    finish();
    assert.is((await removal).status, 204);
  });
});

test('DELETE ?wait=10s responds 202 when that was not long enough', async () => {
  await withBusyServer(async api => {
    const removal = api.call('DELETE', `${path}?wait=10s`);
    while ((await shown(api, path, 'state'))[0] !== 'draining') await sleep(5);
    api.side.clock.advance(10_000);
    assert.is((await removal).status, 202);
    assert.is((await api.call('DELETE', `${path}?wait=soon`)).status, 400);
  });
});

test('PATCH ?wait responds when the server has drained', async () => {
  await withBusyServer(async (api, finish) => {
    const change = api.call('PATCH', `${path}?wait`, { state: 'draining' });
    while ((await shown(api, path, 'state'))[0] !== 'draining') await sleep(5);
    finish();
    const { status, body } = await change;
    assert.equal([status, at(body, 'state')], [200, 'draining']);
  });
});

test('IPv6 servers are found with and without brackets, encoded or not; names are found too', async () => {
  await withApi({ servers: ['http://[::1]:8080', 'http://App.Example:80'] }, async api => {
    for (const ip of ['::1', '[::1]', '%3A%3A1', '%5B%3A%3A1%5D', '0:0:0:0:0:0:0:1']) {
      assert.equal(await shown(api, `/servers/${ip}/8080`, 'id'), ['http://[::1]:8080'], ip);
    }
    assert.equal(await shown(api, '/servers/::1/8080', 'ip', 'links.0.href'), ['::1', '/servers/::1/8080']);
    assert.equal(await shown(api, '/servers/app.example/80', 'id', 'ip'), [
      'http://app.example',
      'app.example',
    ]);
  });
});

test('?scheme distinguishes two servers that differ only in scheme', async () => {
  await withApi({ servers: ['http://127.0.0.1:443', 'https://127.0.0.1'] }, async api => {
    const { status, body } = await api.call('GET', '/servers/127.0.0.1/443');
    assert.is(status, 409);
    assert.match(String(at(body, 'detail')), /\?scheme=http or \?scheme=https/);
    assert.equal(await shown(api, '/servers/127.0.0.1/443?scheme=https', 'id'), ['https://127.0.0.1']);
    const hrefs = await shown(api, '/servers', 'servers.0.links.0.href', 'servers.1.links.0.href');
    assert.equal(hrefs, ['/servers/127.0.0.1/443?scheme=http', '/servers/127.0.0.1/443?scheme=https']);
    assert.is((await api.call('DELETE', '/servers/127.0.0.1/443?scheme=http')).status, 204);
    assert.is((await api.call('GET', '/servers/127.0.0.1/443')).status, 200);
  });
});

test('a server of HTTP/2 is added, shown, changed and distinguished by its scheme', async () => {
  await withApi({ servers: ['http://127.0.0.1:50051'] }, async api => {
    const added = await api.call('POST', '/servers', { url: 'h2c://127.0.0.1:50051' });
    assert.equal([added.status, at(added.body, 'id')], [201, 'h2c://127.0.0.1:50051']);
    assert.is((await api.call('GET', '/servers/127.0.0.1/50051')).status, 409);
    assert.equal(await shown(api, '/servers/127.0.0.1/50051?scheme=h2c', 'id'), ['h2c://127.0.0.1:50051']);
    const path = '/servers/127.0.0.1/50051?scheme=http';
    assert.is((await api.call('PATCH', path, { http2: true })).status, 200);
    assert.equal(await shown(api, path, 'http2', 'overrides.http2.value'), [true, true]);
    const refused = await api.call('POST', '/servers', { url: 'h2c://127.0.0.1:1', http2: false });
    assert.is(refused.status, 400);
    assert.match(String(at(refused.body, 'detail')), /write http:\/\/ for HTTP\/1.1/);
  });
});

test('an unknown server or pool is 404, with where to look', async () => {
  await withApi({}, async api => {
    for (const unknown of [
      '/servers/127.0.0.1/1',
      '/servers/127.0.0.1/x',
      '/servers/a%20b/1',
      '/servers/%zz/80',
    ]) {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const { status, body } = await api.call(method, unknown, method === 'PATCH' ? {} : undefined);
        assert.is(status, 404, `${method} ${unknown}`);
        assert.match(String(at(body, 'detail')), /GET \/servers lists/);
      }
    }
    const { status, body } = await api.call('POST', '/pools/blue/servers', { url });
    assert.equal([status, at(body, 'code')], [404, 'NOT_FOUND']);
    assert.match(String(at(body, 'detail')), /GET \/pools lists them/);
  });
});

test('other pools have the same routes', async () => {
  await withApi({ servers: { default: [], blue: [url] } }, async api => {
    const { body } = await api.call('GET', '/pools');
    assert.equal([at(body, 'pools.0.name'), at(body, 'pools.1.name')], ['default', 'blue']);
    assert.equal(await shown(api, '/pools/blue', 'servers', 'available', 'links.1.href'), [
      1,
      1,
      '/pools/blue/servers',
    ]);
    const added = await api.call('POST', '/pools/blue/servers', { url: 'http://127.0.0.1:2' });
    assert.equal([added.status, added.headers.get('location')], [201, '/pools/blue/servers/127.0.0.1/2']);
    assert.is((await api.call('PATCH', '/pools/blue/servers/127.0.0.1/2', { weight: 2 })).status, 200);
    assert.is((await api.call('DELETE', '/pools/blue/servers/127.0.0.1/2')).status, 204);
    assert.equal(await shown(api, '/servers', 'servers'), [[]]);
    assert.equal(await shown(api, '/pools/default/servers', 'servers'), [[]]);
  });
});

test('the keys of TLS settings are not shown', async () => {
  await withApi({}, async api => {
    const [, secret = ''] = privateKey.trim().split('\n');
    const tls = { key: privateKey, cert: certificate };
    assert.is((await api.call('POST', '/servers', { url: 'https://127.0.0.1:1', tls })).status, 201);
    assert.not.match((await api.call('GET', '/servers')).text, secret);
    const wrong = await api.call('POST', '/servers', {
      url: 'https://127.0.0.1:1',
      tls: { ...tls, cert: privateKey },
    });
    assert.is(wrong.status, 400);
    assert.not.match(wrong.text, secret);
  });
});

test('when the store is away, answers say that they may be stale, and writes are 503', async () => {
  const away: StateStore = {
    layer: 'cluster',
    stale: true,
    load: async () => [],
    write: async () => {
      throw new WeldrError('STORE_UNAVAILABLE', 'the store is away');
    },
  };
  const after = [
    {
      name: 'store',
      manager: async ({ operator }: ManagerSide) => await operator.useStore(away),
    },
  ];
  await withApi({ after, servers: [url] }, async api => {
    const { headers, body } = await api.call('GET', '/servers');
    assert.equal([headers.get('weldr-stale'), at(body, 'stale')], ['true', true]);
    const refused = await api.call('POST', '/servers', { url: 'http://127.0.0.1:1' });
    assert.equal([refused.status, at(refused.body, 'detail')], [503, 'the store is away']);
    assert.is(api.side.pools.default.size, 1);
  });
});

test('the routes can be called without a socket, for other plugins and tests', async () => {
  const side = await managerSide(adminApi({ listen: '127.0.0.1:0' }), { servers: [url] });
  const answer = await side.admin('PATCH', '/servers/127.0.0.1/12345', { weight: 4 });
  assert.equal([answer.status, at(answer.body, 'weight')], [200, 4]);
  await side.close();
});

test('a server can be found by every URL that can be added', async () => {
  const urls = [
    'http://10.0.0.1',
    'https://[2001:db8::1]',
    'http://xn--bcher-kva.example:8080',
    'https://a.b:8443',
    'http://unix:80',
    'unix:/run/my app/%2F?#.sock',
  ];
  await withApi({}, async api => {
    for (const added of urls) {
      const { headers } = await api.call('POST', '/servers', { url: added });
      assert.equal(await shown(api, headers.get('location') ?? '', 'id'), [parseServerAddress(added).id]);
    }
  });
});

test('a server on a unix socket is under /servers/unix/ and its path, percent-encoded', async () => {
  await withApi({}, async api => {
    const added = await api.call('POST', '/servers', { url: 'unix:/run/app.sock', weight: 2 });
    const href = '/servers/unix/%2Frun%2Fapp.sock';
    assert.equal([added.status, added.headers.get('location')], [201, href]);
    assert.is(at(added.body, 'links.0.href'), href);
    assert.equal(await shown(api, href, 'id', 'url', 'path', 'weight', 'ip', 'port'), [
      'unix:/run/app.sock',
      'unix:/run/app.sock',
      '/run/app.sock',
      2,
      undefined,
      undefined,
    ]);
    const changed = await api.call('PATCH', href, { state: 'draining' });
    assert.equal([changed.status, at(changed.body, 'state')], [200, 'draining']);
    assert.is((await api.call('DELETE', href)).status, 204);
    const gone = await api.call('GET', href);
    assert.equal(
      [gone.status, at(gone.body, 'detail')],
      [404, 'there is no server unix:/run/app.sock; GET /servers lists them'],
    );
    assert.is((await api.call('GET', '/servers/unix/80')).status, 404);
    const refused = await api.call('POST', '/servers', { url: 'unix:app.sock' });
    assert.equal([refused.status, at(refused.body, 'field')], [400, 'url']);
    const withPort = { url: 'unix:/run/app.sock', healthCheck: { port: 80 } };
    assert.is(at((await api.call('POST', '/servers', withPort)).body, 'field'), 'healthCheck.port');
  });
});

test("shows what a plugin finds, and prefers an operator's change", async () => {
  const other = 'http://127.0.0.1:12346';
  const found: { source?: DiscoverySource } = {};
  const finder: Plugin = {
    name: 'finder',
    manager({ pools }) {
      found.source = pools.source('inventory');
    },
  };
  await withApi({ before: [finder] }, async ({ call, side }) => {
    found.source?.replace('default', [url, other]);
    const { body } = await call('GET', '/servers/127.0.0.1/12345');
    assert.is(at(body, 'layer'), 'discovered:inventory');
    const patched = await call('PATCH', '/servers/127.0.0.1/12345', { weight: 9 });
    assert.equal([at(patched.body, 'weight'), at(patched.body, 'layer')], [9, 'discovered:inventory']);
    found.source?.replace('default', [{ url, weight: 2 }, other]);
    assert.is(side.pools.get('default', url)?.upstream.weight, 9);
    assert.is((await call('DELETE', '/servers/127.0.0.1/12346')).status, 204);
    found.source?.replace('default', [url]);
    found.source?.replace('default', [url, other]);
    assert.is((await call('GET', '/servers/127.0.0.1/12346')).status, 404);
    assert.is((await call('POST', '/pool/reset')).status, 204);
    const all = await call('GET', '/servers');
    assert.equal(
      [...side.pools.list('default')]
        .map(({ upstream, layer }) => `${upstream.id} ${upstream.weight} ${layer}`)
        .sort(),
      [`${url} 1 discovered:inventory`, `${other} 1 discovered:inventory`],
      all.text,
    );
  });
});

test('the event loop turns while a long list of servers is built, and a server removed meanwhile is left out', async () => {
  const servers = Array.from({ length: 40 }, (_, n) => `http://127.0.0.1:${20_000 + n}`);
  const last = servers.at(-1) ?? '';
  const found: { source?: DiscoverySource } = {};
  let turn = 0;
  const turns = new Set<number>();
  const checker: Plugin = {
    name: 'checker',
    manager({ pools }) {
      const source = pools.source('inventory');
      source.replace('default', servers);
      found.source = source;
      const slow: HealthReport = {
        status: 'passing',
        checkedAt: 0,
        consecutiveFailures: 0,
        consecutivePasses: 1,
        get detail() {
          const until = performance.now() + 1;
          while (performance.now() < until);
          if (turns.size === 0) {
            setImmediate(() => {
              turn++;
              found.source?.replace('default', servers.slice(0, -1));
            });
          }
          turns.add(turn);
          return 'slow';
        },
      };
      for (const id of servers) pools.reportHealth('default', id, slow);
    },
  };
  await withApi({ before: [checker] }, async ({ call }) => {
    const { body, text } = await call('GET', '/servers?limit=1000');
    assert.ok(turns.size > 1);
    assert.not.match(text, last);
    assert.is(at(body, 'servers.38.health.detail'), 'slow');
    assert.is(at(body, 'links.0.rel'), 'self');
  });
});
