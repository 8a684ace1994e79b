// admin-api: an improper request is refused with a helpful text, and changes nothing.
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import type { ManagerSide } from '../../../core/plugin/plugin.ts';
import { suite } from '../../support/suite.ts';
import { type Answer, at, withApi } from './api.ts';

const test = suite('admin-api input');

const url = 'http://127.0.0.1:12345';

function assertProblem(answer: Answer, status: number, field: string | undefined, detail: RegExp): void {
  assert.is(answer.status, status, answer.text);
  assert.is(answer.headers.get('content-type'), 'application/problem+json');
  const { body } = answer;
  assert.equal([at(body, 'status'), at(body, 'field')], [status, field]);
  assert.match(String(at(body, 'type')), /^urn:weldr:problem:[a-z-]+$/);
  assert.ok(at(body, 'title') && at(body, 'code'));
  assert.match(String(at(body, 'detail')), detail);
}

test('bad input is refused with the wrong field, and changes nothing', async () => {
  await withApi({ servers: [url] }, async ({ call, side }) => {
    const before = side.pools.revision;
    const cases: [body: unknown, field: string | undefined, detail: RegExp][] = [
      [undefined, undefined, /expected object, got nothing/],
      ['{', undefined, /not JSON/],
      ['[]', undefined, /expected object/],
      ['null', undefined, /expected object, got null/],
      ['"x"', undefined, /expected object/],
      ['{}', 'url', /expected string, got nothing/],
      [{ url: 'nonsense' }, 'url', /expected http:\/\/HOST:PORT/],
      [{ url: 'ftp://127.0.0.1' }, 'url', /http/],
      [{ url: 'http://127.0.0.1/path' }, 'url', /no user, path or query/],
      [{ url: 'http://user:pass@127.0.0.1' }, 'url', /no user/],
      [{ url: 'http://127.0.0.1:0' }, 'url', /port 0/],
      [{ url: 'http://127.0.0.1:99999' }, 'url', /expected http/],
      [{ url, weight: 0 }, 'weight', /1/],
      [{ url, weight: '2' }, 'weight', /expected number/],
      [{ url, wieght: 2 }, 'wieght', /there is no such option/],
      [
        { url, healthCheck: { interval: 'soon' } },
        'healthCheck.interval',
        /a duration such as "30s", got "soon"/,
      ],
      [{ url, tls: {} }, 'tls', /tls is for https/],
      [{ url, ttl: '1ms' }, 'ttl', /at least 1s/],
      [{ url, state: 'down' }, 'state', /"active"/],
      [`${'['.repeat(5000)}${']'.repeat(5000)}`, undefined, /nested deeper than 32/],
      [`{"url":"${url}","x":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`, undefined, /nested deeper/],
    ];
    for (const [body, field, detail] of cases) {
      assertProblem(await call('POST', '/servers', body), 400, field, detail);
    }
    for (const body of [
      undefined,
      '[]',
      'null',
      '{',
      '"x"',
      { url: 'http://127.0.0.1:1' },
      { x: 1 },
      { weight: -1 },
    ]) {
      assert.is((await call('PATCH', '/servers/127.0.0.1/12345', body)).status, 400, JSON.stringify(body));
    }
    assert.is(side.pools.revision, before);
    assert.equal(
      [...side.pools.default].map(u => [u.id, u.weight]),
      [[url, 1]],
    );
  });
});

test('names with a meaning in JavaScript are fields like others', async () => {
  await withApi({ servers: [url] }, async ({ call, side }) => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString']) {
      const text = `{"url":"http://127.0.0.1:1","${name}":{"weight":7,"state":"disabled"}}`;
      assert.is((await call('POST', '/servers', text)).status, 400, name);
      const patched = await call('PATCH', '/servers/127.0.0.1/12345', `{"${name}":{"weight":7}}`);
      assert.is(patched.status, 400, name);
    }
    assert.is(Reflect.get({}, 'weight'), undefined);
    assert.is(side.pools.default.size, 1);
  });
});

test('the last one of a repeated field counts', async () => {
  await withApi({}, async ({ call }) => {
    const { body } = await call('POST', '/servers', `{"url":"${url}","weight":2,"weight":3}`);
    assert.is(at(body, 'weight'), 3);
  });
});

test('a body that is not UTF-8 is refused', async () => {
  await withApi({}, async ({ address }) => {
    const body = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    const response = await fetch(`http://${address}/servers`, { method: 'POST', body });
    assert.is(response.status, 400);
    assert.match(await response.text(), /it is not UTF-8/);
  });
});

test('a body over 64 KB is 413, with a length and without', async () => {
  await withApi({}, async ({ call, address, side }) => {
    const big = `{"url":"${url}","x":"${'x'.repeat(70_000)}"}`;
    assertProblem(await call('POST', '/servers', big), 413, undefined, /may have at most 65536 bytes/);
    const chunks = new Blob([big]).stream();
    const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: chunks, duplex: 'half' };
    assert.is((await fetch(`http://${address}/servers`, init)).status, 413);
    const fits = `{"url":"${url}"}`.padEnd(65_536);
    assert.is((await call('POST', '/servers', fits)).status, 201);
    assert.is(side.pools.default.size, 1);
  });
});

test('a body that never arrives does not hold a connection forever', async () => {
  await withApi({}, async ({ address }) => {
    const [host, port] = address.split(':');
    const socket = connect(Number(port), host);
    socket.write('POST /servers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000000\r\n\r\n');
    const answer = await new Promise<string>(resolve => socket.once('data', data => resolve(String(data))));
    assert.match(answer, /^HTTP\/1\.1 413 /, 'the announced length is enough');
    await new Promise(resolve => socket.once('close', resolve));
  });
});

test('a wrong method is 405 with what is allowed', async () => {
  await withApi({}, async ({ call }) => {
    const cases = [
      ['DELETE', '/servers', 'GET, HEAD, POST'],
      ['POST', '/servers/127.0.0.1/1', 'GET, HEAD, PATCH, DELETE'],
      ['GET', '/reload', 'POST'],
      ['OPTIONS', '/', 'GET, HEAD'],
    ] as const;
    for (const [method, path, allow] of cases) {
      const answer = await call(method, path, undefined);
      assertProblem(answer, 405, undefined, new RegExp(`takes ${allow}, not ${method}`));
      assert.is(answer.headers.get('allow'), allow);
    }
  });
});

test('an unknown path is 404, with where to look', async () => {
  await withApi({}, async ({ call }) => {
    for (const path of [
      '/nothing',
      '/server',
      '/servers/127.0.0.1',
      '/pools/x/y',
      '/%',
      `/${'x'.repeat(2000)}`,
    ]) {
      assertProblem(
        await call('GET', path),
        404,
        undefined,
        /GET \/ lists what there is|GET \/servers lists/,
      );
    }
  });
});

test('a path similar to one that exists is 404, and names that one', async () => {
  await withApi({}, async ({ call }) => {
    for (const [path, meant] of [
      ['/server', '/servers'],
      ['/server/127.0.0.1/12345', '/servers/127.0.0.1/12345'],
      ['/pool/api/servers', '/pools/api/servers'],
      ['/overview/server', '/overview/servers'],
      ['/openapi', '/openapi.json'],
    ]) {
      const { status, body } = await call('GET', path ?? '');
      assert.is(status, 404);
      assert.is(at(body, 'detail'), `there is no ${path}; did you mean ${meant}? GET / lists what there is`);
    }
    const { body } = await call('GET', '/nothing');
    assert.is(at(body, 'detail'), 'there is no /nothing; GET / lists what there is');
  });
});

test('a parameter that a call does not have is refused with those that it has, and nothing changes', async () => {
  const page = {
    name: 'page',
    manager({ admin }: ManagerSide) {
      const handle = () => ({ status: 200, body: 'a page', contentType: 'text/plain' });
      admin.add({ method: 'GET', path: '/page', access: 'everybody', handle });
    },
  };
  await withApi({ servers: [url], after: [page] }, async ({ call, side }) => {
    const before = side.pools.revision;
    const one = '/servers/127.0.0.1/12345';
    for (const [method, path, field, detail] of [
      [
        'POST',
        '/servers?pool=shp',
        'pool',
        'POST /servers has no parameter "pool"; it takes dryRun; did you mean POST /pools/shp/servers?',
      ],
      [
        'DELETE',
        `${one}?pool=a%20b`,
        'pool',
        `DELETE ${one} has no parameter "pool"; it takes scheme, dryRun, override, wait, force; did you mean DELETE /pools/a%20b${one}?`,
      ],
      [
        'PATCH',
        `${one}?dry-run`,
        'dry-run',
        `PATCH ${one} has no parameter "dry-run"; it takes scheme, dryRun, wait; did you mean dryRun?`,
      ],
      ['GET', '/pools?limit=1', 'limit', 'GET /pools has no parameter "limit"; it takes none'],
      ['POST', '/pool/reset?dryRun', 'dryRun', 'POST /pool/reset has no parameter "dryRun"; it takes none'],
    ] as const) {
      const answer = await call(method, path, method === 'POST' ? { url: 'http://127.0.0.1:1' } : undefined);
      assertProblem(answer, 400, field, /has no parameter/);
      assert.is(at(answer.body, 'detail'), detail);
    }
    assert.is(side.pools.revision, before);
    assert.is(side.pools.default.size, 1);
    assert.is(
      (await call('GET', '/page?from=mail')).status,
      200,
      'a page that needs no token ignores parameters',
    );
    assert.is((await call('GET', '/healthz?from=balancer')).status, 200, 'a probe may add one');
  });
});

test('HEAD is GET without the body', async () => {
  await withApi({ servers: [url] }, async ({ call }) => {
    const got = await call('GET', '/servers');
    const head = await call('HEAD', '/servers');
    assert.equal([head.status, head.text], [200, '']);
    assert.is(head.headers.get('content-length'), got.headers.get('content-length'));
  });
});

test('answers tell browsers and caches not to store them or guess their type', async () => {
  await withApi({}, async ({ call }) => {
    for (const path of ['/', '/servers', '/nothing']) {
      const { headers } = await call('GET', path);
      assert.equal(
        [headers.get('cache-control'), headers.get('x-content-type-options')],
        ['no-store', 'nosniff'],
      );
    }
  });
});

test('a defect of a route is 500, and its message appears only in the log', async () => {
  const plugin = {
    name: 'broken',
    manager(m: { admin: { add(route: object): void } }) {
      const handle = () => {
        throw new Error('secret detail');
      };
      m.admin.add({ method: 'GET', path: '/broken', handle });
    },
  };
  await withApi({ after: [plugin] }, async ({ call, side }) => {
    const answer = await call('GET', '/broken');
    assert.equal([answer.status, at(answer.body, 'code')], [500, 'INTERNAL']);
    assert.not.match(answer.text, /secret/);
    assert.ok(side.logs.some(line => line.level === 'error' && line.msg.includes('secret detail')));
  });
});
