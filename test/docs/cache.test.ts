// The example cache, in a real Weldr between real clients and origins.
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as assert from 'uvu/assert';
import { cache } from '../../docs/examples/cache.ts';
import { roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { statusOf } from '../wire/support/strict-message.ts';

const test = suite('the example cache');

/** Returns how many of the requests reach an origin that answers each with these fields and this body. */
async function reaching(
  requests: readonly {
    readonly path?: string;
    readonly method?: string;
    readonly headers?: Record<string, string>;
  }[],
  fields: Record<string, string>,
  options: Parameters<typeof cache>[0] = {},
  body = 'hello',
): Promise<number> {
  let reached = 0;
  const handle = (_: IncomingMessage, response: ServerResponse) => {
    reached++;
    response.writeHead(200, fields).end(body);
  };
  const origin = await startOrigin({ handle });
  try {
    await withWeldr({ servers: [origin.url], plugins: [cache(options), roundRobin()] }, async ({ url }) => {
      for (const { path = '/', method = 'GET', headers = {} } of requests) {
        const response = await fetch(url + path, { method, headers: { connection: 'close', ...headers } });
        assert.equal([response.status, await response.text()], [200, method === 'HEAD' ? '' : body]);
      }
    });
  } finally {
    await origin.close();
  }
  return reached;
}

const fresh = { 'cache-control': 'max-age=60' };

test('asks for a fresh response once', async () => {
  assert.is(await reaching([{}, {}, {}], fresh), 1);
  assert.is(await reaching([{}, {}], { 'cache-control': 'max-age=0, s-maxage=60' }), 1);
});

test('says how old a response is, and keeps its fields', async () => {
  const handle = (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { ...fresh, age: '7', link: ['</a>', '</b>'] }).end('hello');
  };
  const origin = await startOrigin({ handle });
  try {
    await withWeldr({ servers: [origin.url], plugins: [cache(), roundRobin()] }, async ({ url }) => {
      await (await fetch(url, { headers: { connection: 'close' } })).text();
      const { headers } = await fetch(url, { headers: { connection: 'close' } });
      assert.ok(Number(headers.get('age')) >= 7);
      assert.is(headers.get('link'), '</a>, </b>');
      assert.is(headers.get('content-length'), '5');
    });
  } finally {
    await origin.close();
  }
});

for (const [why, fields] of Object.entries({
  'nothing says for how long': {},
  'it is private': { 'cache-control': 'private, max-age=60' },
  'it must not be stored': { 'cache-control': 'no-store, max-age=60' },
  'it must be validated before each use': { 'cache-control': 'no-cache, max-age=60' },
  'shared caches must not keep it': { 'cache-control': 'max-age=60, s-maxage=0' },
  'it sets a cookie': { ...fresh, 'set-cookie': 'a=b' },
  'it depends on everything': { ...fresh, vary: '*' },
  'it is too old already': { ...fresh, age: '60' },
  'its age cannot be read': { ...fresh, age: 'old' },
  'its age is below zero': { ...fresh, age: '-100' },
  'it has two ages': { ...fresh, age: '1, 2' },
})) {
  test(`keeps nothing when ${why}`, async () => {
    assert.is(await reaching([{}, {}], fields), 2);
  });
}

test('neither keeps responses to private requests nor answers these from what it keeps', async () => {
  const own = { headers: { authorization: 'Bearer one' } };
  assert.is(await reaching([own, own, {}, own, {}], fresh), 4);
  assert.is(await reaching([{}, { headers: { 'cache-control': 'no-cache' } }], fresh), 2);
  assert.is(await reaching([{}, { method: 'HEAD' }], fresh), 2);
});

test('leaves it to the origin whether a condition holds', async () => {
  const origin = await startOrigin({
    handle(request, response) {
      const isOther = 'if-match' in request.headers || 'if-unmodified-since' in request.headers;
      response.writeHead(isOther ? 412 : 200, fresh).end();
    },
  });
  try {
    await withWeldr({ servers: [origin.url], plugins: [cache(), roundRobin()] }, async ({ port }) => {
      const client = await RawClient.open(port);
      const fields = ['', 'If-Match: "v2"\r\n', 'If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n'];
      // `fetch` would add `Cache-Control: no-cache` to such requests.
      for (const field of fields) client.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${field}\r\n`);
      const statuses = (await client.responses('GET', 'GET', 'GET')).map(statusOf);
      assert.equal(statuses, [200, 412, 412]);
      client.close();
    });
  } finally {
    await origin.close();
  }
});

test('distinguishes paths, queries, and the fields that a response varies by', async () => {
  assert.is(await reaching([{}, { path: '/?a' }, { path: '/b' }, { path: '/?a' }], fresh), 3);
  const german = { headers: { 'accept-language': 'de' } };
  assert.is(await reaching([german, german, {}], { ...fresh, vary: 'Accept-Language' }), 2);
});

test('forgets a response when a request changes its resource', async () => {
  assert.is(await reaching([{}, { method: 'POST' }, {}, {}], fresh), 3);
});

test('limits the number of responses, their bytes, and the bytes of one', async () => {
  const around = [{ path: '/a' }, { path: '/b' }, { path: '/a' }];
  assert.is(await reaching(around, fresh, { maxEntries: 2 }), 2);
  assert.is(await reaching(around, fresh, { maxEntries: 1 }), 3);
  const large = 'x'.repeat(10_000);
  assert.is(await reaching(around, fresh, { maxBytes: '30kb' }, large), 2);
  assert.is(await reaching(around, fresh, { maxBytes: '15kb' }, large), 3);
  assert.is(await reaching(around, fresh, { maxBody: '9kb' }, large), 3);
});

test('does not keep a response that was cut off', async () => {
  let reached = 0;
  const origin = await startOrigin({
    handle(_, response) {
      response.writeHead(200, fresh);
      response.write('hel');
      if (reached++ > 0) response.end('lo');
      else setTimeout(() => response.destroy(), 50);
    },
  });
  try {
    await withWeldr({ servers: [origin.url], plugins: [cache(), roundRobin()] }, async ({ url }) => {
      const cut = await fetch(url, { headers: { connection: 'close' } })
        .then(response => response.text())
        .catch(() => 'cut');
      assert.is(cut, 'cut');
      assert.is(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'hello');
    });
  } finally {
    await origin.close();
  }
});
