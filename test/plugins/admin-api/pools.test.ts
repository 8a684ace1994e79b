// Pools at run time: they are added, changed and removed as servers are, and their settings reach the workers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { workerSide } from '../../../core/testing.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { leastRequests, poolFile, roundRobin } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { type Api, at, withApi } from './api.ts';

const test = suite('admin-api pools');

const url = 'http://127.0.0.1:1';

async function names(api: Api): Promise<unknown> {
  const pools: unknown = at((await api.call('GET', '/pools')).body, 'pools');
  return Array.isArray(pools) ? pools.map(({ name }) => name) : pools;
}

test('a pool is added, changed, given servers and removed again', async () => {
  await withApi({}, async api => {
    const added = await api.call('POST', '/pools', { name: 'api', fallback: 'default' });
    assert.equal([added.status, added.headers.get('location')], [201, '/pools/api']);
    assert.equal([at(added.body, 'layer'), at(added.body, 'fallback')], ['api', 'default']);
    assert.is((await api.call('POST', '/pools', { name: 'api' })).status, 200);
    assert.is((await api.call('POST', '/pools/api/servers', { url })).status, 201);
    const changed = await api.call('PATCH', '/pools/api', { fallback: null, timeouts: { response: '5s' } });
    assert.equal([at(changed.body, 'fallback'), at(changed.body, 'timeouts.response')], [undefined, 5000]);
    const refused = await api.call('DELETE', '/pools/api');
    assert.equal([refused.status, at(refused.body, 'code')], [409, 'CONFLICT']);
    await api.call('DELETE', '/pools/api/servers/127.0.0.1/1');
    assert.is((await api.call('DELETE', '/pools/api')).status, 204);
    assert.equal(await names(api), ['default']);
    assert.is((await api.call('POST', '/pools/api/servers', { url })).status, 404);
    assert.equal([...api.side.pools.state.all], [], 'nothing is left of it');
  });
});

test('a pool shows which sources find servers for it, and which list is held', async () => {
  await withApi({}, async api => {
    const sources = async () => at((await api.call('GET', '/pools/default')).body, 'sources');
    assert.is(await sources(), undefined);
    const guard = { minServers: 1, allowEmpty: false, maxChange: 0.5, confirmations: 3 };
    const source = api.side.pools.discovered.claim('zone', { instance: 'dns' }, guard);
    source.replace('default', [url]);
    assert.equal(await sources(), [{ source: 'zone', servers: 1 }]);
    const { held } = source.replace('default', []);
    assert.equal(await sources(), [{ source: 'zone', servers: 1, held }]);
  });
});

test('Host is set by the server, else by its pool, else by the client', async () => {
  const other = 'http://127.0.0.1:2';
  await withApi({ servers: [url, { url: other, host: 'b.test' }] }, async api => {
    const hosts = () => [url, other].map(id => api.side.pools.get('default', id)?.upstream.ownHost);
    assert.equal(hosts(), [undefined, 'b.test']);
    await api.call('PATCH', '/pools/default', { host: 'upstream' });
    assert.equal(hosts(), ['127.0.0.1:1', 'b.test']);
    await api.call('PATCH', '/servers/127.0.0.1/1', { host: 'client' });
    await api.call('PATCH', '/pools/default', { host: 'a.test' });
    assert.equal(hosts(), [undefined, 'b.test']);
    await api.call('PATCH', '/servers/127.0.0.1/1', { host: null });
    assert.equal(hosts(), ['a.test', 'b.test']);
    for (const host of ['a b', '', 'a:b', 'http://a', true]) {
      const refused = await api.call('PATCH', '/pools/default', { host });
      assert.equal([refused.status, at(refused.body, 'field')], [400, 'host'], String(host));
    }
    await api.call('DELETE', '/pools/default?override');
    assert.equal(hosts(), [undefined, 'b.test']);
  });
});

test('the PROXY protocol is set by the server, else by its pool', async () => {
  const other = 'http://127.0.0.1:2';
  await withApi({ servers: [url, { url: other, proxyProtocol: 'v1' }] }, async api => {
    const spoken = () =>
      [url, other].map(id => api.side.pools.get('default', id)?.upstream.record.proxyProtocol);
    assert.equal(spoken(), [undefined, 'v1']);
    await api.call('PATCH', '/pools/default', { proxyProtocol: 'v2' });
    assert.equal(spoken(), ['v2', 'v1']);
    const changed = await api.call('PATCH', '/servers/127.0.0.1/1', { proxyProtocol: 'v1' });
    assert.is(at(changed.body, 'proxyProtocol'), 'v1');
    assert.equal(spoken(), ['v1', 'v1']);
    const refused = await api.call('PATCH', '/pools/default', { proxyProtocol: 'v3' });
    assert.equal([refused.status, at(refused.body, 'field')], [400, 'proxyProtocol']);
  });
});

test('removing a pool of the config removes its servers, and adding it restores them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-pools-'));
  try {
    const before = () => [poolFile({ path: join(folder, 'pool.json') })];
    const servers = { default: [], api: [url, 'http://127.0.0.1:2'] };
    await withApi({ before: before(), servers }, async api => {
      await api.call('PATCH', '/pools/api/servers/127.0.0.1/1', { weight: 4 });
      assert.is((await api.call('DELETE', '/pools/api')).status, 204);
      assert.is(api.side.pools.pool('api')?.size, 0);
      assert.is((await api.call('GET', '/pools/api')).status, 404);
    });
    await withApi({ before: before(), servers }, async api => {
      assert.equal(await names(api), ['default'], 'over a restart');
      assert.is(api.side.pools.pool('api')?.size ?? 0, 0);
      assert.is((await api.call('POST', '/pools/api/servers', { url })).status, 404);
      assert.is((await api.call('POST', '/pools', { name: 'api' })).status, 201);
      assert.equal(
        [...api.side.pools.list('api')].map(({ upstream }) => [upstream.id, upstream.weight]),
        [
          [url, 4],
          ['http://127.0.0.1:2', 1],
        ],
      );
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an impossible change is refused with its reason', async () => {
  await withApi({ servers: { default: [], a: [], b: [] } }, async api => {
    const refusal = async (method: string, path: string, body?: unknown) => {
      const { status, body: answer } = await api.call(method, path, body);
      return [status, at(answer, 'field')];
    };
    assert.equal(await refusal('POST', '/pools', { name: 'no name' }), [400, 'name']);
    assert.equal(await refusal('POST', '/pools', {}), [400, 'name']);
    assert.equal(await refusal('POST', '/pools', { name: 'c', plugins: ['auth'] }), [400, 'plugins']);
    assert.equal(await refusal('POST', '/pools', { name: 'c', plugins: 'auth' }), [400, 'plugins']);
    assert.equal(await refusal('PATCH', '/pools/a', { fallback: 'nowhere' }), [400, 'fallback']);
    assert.equal(await refusal('PATCH', '/pools/a', { fallback: 'a' }), [400, 'fallback']);
    await api.call('PATCH', '/pools/a', { fallback: 'b' });
    assert.equal(await refusal('PATCH', '/pools/b', { fallback: 'a' }), [400, 'fallback']);
    assert.equal(await refusal('DELETE', '/pools/b'), [409, undefined]);
    assert.equal(await refusal('DELETE', '/pools/default'), [409, undefined]);
    assert.equal(await refusal('PATCH', '/pools/nowhere', {}), [404, undefined]);
  });
});

test('PUT makes a pool exactly what the body says, including the names of its plugins', async () => {
  const define = { least: leastRequests() };
  await withApi({ before: [roundRobin()], define }, async api => {
    const made = await api.call('PUT', '/pools/api', { plugins: ['least'], http2: true });
    assert.equal([made.status, at(made.body, 'plugins'), at(made.body, 'http2')], [201, ['least'], true]);
    const again = await api.call('PUT', '/pools/api', { plugins: [] });
    assert.equal([again.status, at(again.body, 'plugins'), at(again.body, 'http2')], [200, [], undefined]);
    const tag = { 'if-match': String(again.headers.get('etag')) };
    assert.is((await api.call('PUT', '/pools/api', {}, tag)).status, 200);
    assert.is((await api.call('PUT', '/pools/api', { http2: true }, tag)).status, 412);
    const planned = await api.call('PUT', '/pools/api?dryRun', { plugins: ['leats'] });
    assert.match(String(at(planned.body, 'detail')), 'did you mean "least"?');
  });
});

test('pools accept conditions, dry runs and resets as servers do', async () => {
  await withApi({ servers: { default: [], a: [] } }, async api => {
    const etag = (await api.call('GET', '/pools/a')).headers.get('etag') ?? '';
    const change = (response: string) =>
      api.call('PATCH', '/pools/a', { timeouts: { response } }, { 'if-match': etag });
    const dry = await api.call('PATCH', '/pools/a?dryRun', { timeouts: { response: '1s' } });
    assert.is(at(dry.body, 'changes.0.field'), 'timeouts');
    assert.is((await change('2s')).status, 200);
    assert.is((await change('3s')).status, 412);
    assert.is((await api.call('POST', '/pools', { name: 'a' }, { 'if-none-match': '*' })).status, 412);
    assert.ok(at((await api.call('GET', '/pools/a')).body, 'overrides.timeouts'));
    assert.is((await api.call('DELETE', '/pools/a?override=timeouts')).status, 200);
    assert.is(at((await api.call('GET', '/pools/a')).body, 'timeouts'), undefined);
    await api.call('DELETE', '/pools/a');
    assert.is((await api.call('DELETE', '/pools/a?override')).status, 200);
    assert.equal(await names(api), ['default', 'a']);
  });
});

test('settings of a pool reach its workers, its servers and their checks', async () => {
  const servers = { default: [], api: ['https://127.0.0.1:1'] };
  await withApi({ servers, after: [healthCheck(), roundRobin()] }, async api => {
    const worker = await workerSide(roundRobin(), { manager: api.side });
    const replica = worker.pools.get('api');
    await api.call('PATCH', '/pools/api', {
      fallback: 'default',
      limits: { upstreamQueue: 3 },
      tls: { verify: false, servername: 'shop.example' },
    });
    assert.equal([replica?.fallback, replica?.settings.limits?.upstreamQueue], ['default', 3]);
    const record = () => replica?.get('https://127.0.0.1:1')?.record;
    assert.equal(record()?.tls, { verify: false, servername: 'shop.example' });
    await api.call('PATCH', '/pools/api/servers/127.0.0.1/1', { tls: { verify: true } });
    assert.equal(record()?.tls, { verify: true, servername: 'shop.example' });
    assert.not.match((await api.call('GET', '/pools')).text, /shop.example/, 'TLS settings are not shown');
    await worker.close();
  });
});
