// Conditions, dry runs and batches: a change that is made only where the state is as its author expects.
import * as assert from 'uvu/assert';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { suite } from '../../support/suite.ts';
import { type Api, at, withApi } from './api.ts';

const test = suite('admin-api conditions');

const url = 'http://127.0.0.1:12345';
const path = '/servers/127.0.0.1/12345';

async function etagOf(api: Api, target = path): Promise<string> {
  return (await api.call('GET', target)).headers.get('etag') ?? '';
}

test('a change with the ETag that was seen is made once; a second one with it is 412 and changes nothing', async () => {
  await withApi({ servers: [url] }, async api => {
    const etag = await etagOf(api);
    assert.match(etag, /^"[\w-]{22}"$/);
    const first = await api.call('PATCH', path, { weight: 2 }, { 'if-match': etag });
    assert.equal([first.status, at(first.body, 'weight')], [200, 2]);
    assert.is(first.headers.get('etag'), await etagOf(api));
    const second = await api.call('PATCH', path, { weight: 3 }, { 'if-match': etag });
    assert.equal([second.status, at(second.body, 'code')], [412, 'PRECONDITION_FAILED']);
    assert.is((await api.call('DELETE', path, undefined, { 'if-match': etag })).status, 412);
    assert.is((await api.call('POST', '/servers', { url, weight: 4 }, { 'if-match': etag })).status, 412);
    assert.is(api.side.pools.get('default', url)?.server.weight, 2);
  });
});

test('any nonsense in If-Match is refused', async () => {
  await withApi({ servers: [url] }, async api => {
    for (const [condition, status] of [
      ['"nonsense"', 412],
      ['W/"nonsense"', 412],
      ['nonsense', 400],
      ['', 400],
      ['*, "a"', 400],
    ] as const) {
      const answer = await api.call('PATCH', path, { weight: 2 }, { 'if-match': condition });
      assert.is(answer.status, status, condition);
    }
    const weak = `W/${await etagOf(api)}`;
    assert.is((await api.call('PATCH', path, { weight: 2 }, { 'if-match': weak })).status, 412);
    assert.is(api.side.pools.get('default', url)?.server.weight, 1);
    const one = `"other", ${await etagOf(api)}`;
    assert.is((await api.call('PATCH', path, { weight: 2 }, { 'if-match': one })).status, 200);
    assert.is((await api.call('PATCH', path, { weight: 3 }, { 'if-match': '*' })).status, 200);
  });
});

test('If-None-Match: * adds a server only where there is none', async () => {
  await withApi({}, async api => {
    const add = () => api.call('POST', '/servers', { url, weight: 5 }, { 'if-none-match': '*' });
    assert.is((await add()).status, 201);
    assert.is((await add()).status, 412);
    await api.call('DELETE', path);
    assert.is((await add()).status, 201);
    assert.is(
      (await api.call('POST', '/servers', { url: 'http://127.0.0.1:1' }, { 'if-match': '*' })).status,
      412,
    );
  });
});

test('a resource without an ETag accepts no condition', async () => {
  await withApi({ servers: [url] }, async api => {
    await api.call('PATCH', path, { weight: 2 });
    for (const target of ['/pool/reset', '/pool/import', '/reload', '/batch']) {
      assert.is((await api.call('POST', target, {}, { 'if-match': '"a"' })).status, 412, target);
    }
    assert.is(api.side.pools.get('default', url)?.server.weight, 2);
  });
});

test('settings accept conditions as servers do', async () => {
  await withApi({ after: [healthCheck()] }, async api => {
    const etag = await etagOf(api, '/health-check');
    const change = (interval: string) => api.call('PUT', '/health-check', { interval }, { 'if-match': etag });
    assert.is((await change('2s')).status, 200);
    assert.is((await change('3s')).status, 412);
    assert.is(at((await api.call('GET', '/health-check')).body, 'interval'), 2000);
  });
});

test('concurrent writers with conditions lose no increment', async () => {
  await withApi({ servers: [url] }, async api => {
    const count = async () => {
      for (let done = 0; done < 60; ) {
        const { headers, body } = await api.call('GET', path);
        const weight = Number(at(body, 'weight')) + 1;
        const answer = await api.call('PATCH', path, { weight }, { 'if-match': headers.get('etag') ?? '' });
        if (answer.status === 200) done++;
        else assert.is(answer.status, 412);
      }
    };
    await Promise.all([count(), count()]);
    assert.is(api.side.pools.get('default', url)?.server.weight, 121);
  });
});

test('?dryRun responds with what would change, and changes nothing', async () => {
  await withApi({ servers: [url] }, async api => {
    const dry = async (method: string, target: string, body?: unknown) =>
      at((await api.call(method, `${target}?dryRun`, body)).body, 'changes');
    const key = `default/${url}`;
    assert.equal(await dry('PATCH', path, { weight: 4 }), [
      { kind: 'server', key, op: 'change', field: 'weight', from: 1, to: 4 },
    ]);
    assert.equal(await dry('PATCH', path, { weight: 1 }), []);
    assert.equal(await dry('DELETE', path), [{ kind: 'server', key, op: 'remove' }]);
    const added = 'http://127.0.0.1:1';
    assert.equal(await dry('POST', '/servers', { url: added }), [
      { kind: 'server', key: `default/${added}`, op: 'add' },
    ]);
    assert.is((await api.call('PATCH', `${path}?dryRun`, { weight: -1 })).status, 400);
    assert.equal([...api.side.pools.state.all], []);
  });
});

test('a batch is applied completely or not at all, and the error names the wrong part', async () => {
  await withApi({ servers: [url], after: [healthCheck()] }, async api => {
    const added = 'http://127.0.0.1:1';
    const changes = [
      { op: 'add', url: added, value: { weight: 3 } },
      { op: 'patch', url, value: { state: 'draining' } },
      { op: 'patch', kind: 'setting', name: 'health-check', value: { interval: '2s' } },
    ];
    const wrong = [...changes, { op: 'patch', url: 'http://127.0.0.1:9', value: { weight: 2 } }];
    const refused = await api.call('POST', '/batch', { changes: wrong });
    assert.equal([refused.status, at(refused.body, 'field')], [404, 'changes[3]']);
    const stale = changes.map(change => ({ ...change, ifMatch: '"old"' }));
    assert.is((await api.call('POST', '/batch', { changes: stale })).status, 412);
    assert.equal([...api.side.pools.state.all], []);
    const planned = await api.call('POST', '/batch?dryRun', { changes });
    assert.equal([planned.status, Array.isArray(at(planned.body, 'changes'))], [200, true]);
    const made = await api.call('POST', '/batch', { changes });
    assert.equal(
      [made.status, at(made.body, 'changes.0.op'), at(made.body, 'changes.1.op')],
      [200, 'add', 'change'],
    );
    assert.is(api.side.pools.get('default', url)?.upstream.state, 'draining');
    assert.is(api.side.pools.get('default', added)?.server.weight, 3);
    assert.is(at((await api.call('GET', '/health-check')).body, 'interval'), 2000);
  });
});

test('a batch is bounded, and the error names what is wrong with its form', async () => {
  await withApi({}, async api => {
    const many = Array.from({ length: 101 }, (_, n) => ({ op: 'add', url: `http://127.0.0.1:${n + 1}` }));
    for (const [body, field] of [
      [{ changes: many }, 'changes'],
      [{ changes: [] }, 'changes'],
      [{ changes: [{ op: 'add' }] }, 'changes[0].url'],
      [{ changes: [{ op: 'grow', url }] }, 'changes[0].op'],
      [{ changes: [{ op: 'add', url: 'nowhere' }] }, 'changes[0].url'],
      [
        {
          changes: [
            { op: 'add', url },
            { op: 'remove', url },
          ],
        },
        'changes[1]',
      ],
    ] as const) {
      const answer = await api.call('POST', '/batch', body);
      assert.equal([answer.status, at(answer.body, 'field')], [400, field]);
    }
    assert.is((await api.call('POST', '/batch?dryRun', { changes: many })).status, 200);
  });
});

test('a long list can be read in pages, and by state', async () => {
  const servers = Array.from({ length: 25 }, (_, n) => `http://127.0.0.1:${2000 + n}`);
  await withApi({ servers }, async api => {
    await api.call('PATCH', '/servers/127.0.0.1/2003', { state: 'disabled' });
    const seen: unknown[] = [];
    for (let target: string | undefined = '/servers?limit=10'; target !== undefined; ) {
      const { body } = await api.call('GET', target);
      const page: unknown = at(body, 'servers');
      if (!Array.isArray(page)) throw new Error('no page');
      seen.push(...page.map(server => server.id));
      const links: unknown = at(body, 'links');
      target = Array.isArray(links) ? links.find(link => link.rel === 'next')?.href : undefined;
    }
    assert.equal(seen, servers);
    const disabled = at((await api.call('GET', '/servers?state=disabled')).body, 'servers');
    assert.is(Array.isArray(disabled) && disabled.length, 1);
    await api.call('PATCH', '/servers/127.0.0.1/2004', { labels: { zone: 'a', rack: '1' } });
    await api.call('PATCH', '/servers/127.0.0.1/2005', { labels: { zone: 'a' } });
    const ofZone = at((await api.call('GET', '/servers?label=zone:a&label=rack:1')).body, 'servers');
    assert.equal(Array.isArray(ofZone) && ofZone.map(server => server.id), [servers[4]]);
    assert.is((await api.call('GET', '/servers?limit=0')).status, 400);
    assert.is((await api.call('GET', '/servers?label=zone')).status, 400);
  });
});
