// Routes on the wire: HTTP/1.1 and HTTP/2 clients, and the servers that they lead to.
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import * as assert from 'uvu/assert';
import { workerSide } from '../../core/testing.ts';
import { type RouteInput, type RoutesOptions, roundRobin, routes } from '../../plugins/index.ts';
import { withoutPrefix } from '../../plugins/routes/prefix.ts';
import { suite } from '../support/suite.ts';
import { closed } from './support/filtered.ts';
import { servedPaths, serversOfProtected } from './support/path-servers.ts';
import { spellings } from './support/path-spellings.ts';
import { startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin, type SeenRequest } from './support/scripted-origin.ts';
import { type Message, statusOf, valuesOf } from './support/strict-message.ts';

interface Ends {
  readonly port: number;
  readonly session: ClientHttp2Session;
  /** By the names of pools: `default`, `a`, `b`. */
  readonly origins: Readonly<Record<'default' | 'a' | 'b', ScriptedOrigin>>;
}

let origins: Ends['origins'] | undefined;

const names = ['default', 'a', 'b'] as const;

/** An origin's response: its name, and what the query asks for. */
function answerOf(name: string) {
  return ({ target, method }: SeenRequest): string => {
    const said = new URLSearchParams(target.split('?')[1] ?? '');
    const fields = ['location', 'set-cookie'].flatMap(field => {
      const value = said.get(field);
      return value === null ? [] : [`${field}: ${value}`];
    });
    const response = ok(`${name} ${target}`, ...fields);
    return method === 'HEAD' ? response.slice(0, response.indexOf('\r\n\r\n') + 4) : response;
  };
}

/** Puts routes between clients and the origins. */
async function routed(
  list: readonly RouteInput[],
  use: (ends: Ends) => Promise<void>,
  rest: Omit<RoutesOptions, 'routes'> = {},
): Promise<void> {
  if (origins === undefined) throw new Error('the origins are not there');
  const upstreams = Object.fromEntries(names.map(name => [name, [origins?.[name].url ?? '']]));
  const side = await workerSide([routes(list, rest), roundRobin()], { upstreams });
  let proxy: TestProxy | undefined;
  let session: ClientHttp2Session | undefined;
  try {
    proxy = await startProxyOf(side, {}, { http2: true });
    session = connect(`http://127.0.0.1:${proxy.port}`);
    session.on('error', () => {});
    for (const name of names) origins[name].forget();
    await use({ port: proxy.port, session, origins });
  } finally {
    session?.destroy();
    proxy?.close();
    await side.close();
  }
}

async function raw(port: number, bytes: string, method = 'GET'): Promise<Message> {
  const client = await RawClient.open(port);
  try {
    client.send(bytes);
    return await client.response(method);
  } finally {
    client.close();
  }
}

const get = (port: number, target: string, host = 'shop.test', ...lines: string[]): Promise<Message> =>
  raw(port, [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n'));

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function get2(session: ClientHttp2Session, target: string, headers: object = {}): Promise<Answer> {
  const stream = session.request({ ':authority': 'shop.test', ':path': target, ...headers });
  const [head]: [IncomingHttpHeaders & { ':status'?: number }] = (await once(stream, 'response')) as never;
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  return { status: head[':status'], headers: head, body };
}

const test = suite('routes on the wire');

test.before(async () => {
  const [one, two, three] = await Promise.all(
    names.map(name => ScriptedOrigin.start({ answer: answerOf(name) })),
  );
  if (one === undefined || two === undefined || three === undefined) throw new Error('no origins');
  origins = { default: one, a: two, b: three };
});
test.after(async () => {
  await Promise.all(Object.values(origins ?? {}).map(origin => origin.close()));
});

test('a host leads to its pool, however a client writes it, in both protocols', () =>
  routed(
    [
      { name: 'a', host: 'shop.test', pool: 'a' },
      { name: 'b', host: '*.shop.test', pool: 'b' },
    ],
    async ({ port, session }) => {
      for (const [host, pool] of [
        ['shop.test', 'a'],
        ['SHOP.Test:8080', 'a'],
        ['shop.test.', 'a'],
        ['x.y.Shop.test', 'b'],
        ['other.test', 'default'],
      ] as const) {
        assert.is((await get(port, '/x', host)).body, `${pool} /x`, host);
        assert.is((await get2(session, '/x', { ':authority': host })).body, `${pool} /x`, host);
      }
      assert.is((await raw(port, 'GET /x HTTP/1.0\r\n\r\n')).body, 'default /x');
    },
  ));

test('a target in absolute-form leads where its own host does, not where Host would', () =>
  routed([{ name: 'a', host: 'shop.test', path: '/x/*', pool: 'a' }], async ({ port }) => {
    assert.is((await get(port, 'http://shop.test/x/y', 'shop.test')).body, 'a /x/y');
    assert.is((await get(port, 'HTTP://Shop.TEST:80/x/y?z', 'shop.test:80')).body, 'a /x/y?z');
    const mixed = await get(port, 'http://shop.test/x/y', 'other.test');
    assert.ok(statusOf(mixed) === 400 || mixed.body === 'a /x/y', mixed.line);
    const other = await get(port, 'http://other.test/x/y', 'shop.test');
    assert.ok(statusOf(other) === 400 || other.body === 'default /x/y', other.line);
  }));

test('a request without edits passes byte for byte', () =>
  routed([{ name: 'a', path: '/x/*', pool: 'a' }], async ({ port, session }) => {
    for (const target of ['/x/%e4%C3;a=b/c?d=%2f&e', '/X/./y', '/x//y', '/x/~%7e?']) {
      assert.is((await get(port, target)).body, `a ${target}`);
      assert.is((await get2(session, target)).body, `a ${target}`);
    }
  }));

test('a prefix is removed, announced to the server, and restored in paths of the response, in both protocols', () =>
  routed(
    [{ name: 'a', path: '/api/*', pool: 'a', stripPrefix: '/api' }],
    async ({ port, session, origins: { a } }) => {
      const target = '/api/x?location=/login&set-cookie=s%3D1%3B%20Path%3D/';
      const first = await get(port, target, 'shop.test', 'X-Forwarded-Prefix: /evil');
      const second = await get2(session, target, { 'x-forwarded-prefix': '/evil' });
      assert.equal(
        [valuesOf(first, 'location'), valuesOf(first, 'set-cookie')],
        [['/api/login'], ['s=1; Path=/api']],
      );
      assert.equal(
        [second.headers.location, second.headers['set-cookie']],
        ['/api/login', ['s=1; Path=/api']],
      );
      assert.equal(
        a.requests.map(request => [request.target, valuesOf(request, 'x-forwarded-prefix')]),
        a.requests.map(() => [target.slice(4), ['/api']]),
      );
      assert.is(a.requests.length, 2);
    },
  ));

test('a rewritten request keeps its method and body', () =>
  routed(
    [{ name: 'a', path: '/old/*', method: 'POST', pool: 'a', rewrite: '/new/$1', upstreamHost: 'in.test' }],
    async ({ port, session, origins: { a } }) => {
      await raw(port, 'POST /old/x?y HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello', 'POST');
      const stream = session.request({ ':method': 'POST', ':path': '/old/x?y', ':authority': 'shop.test' });
      stream.end('hello');
      await once(stream, 'response');
      stream.resume();
      assert.equal(
        a.requests.map(request => [request.line, valuesOf(request, 'host'), request.body]),
        [
          ['POST /new/x?y HTTP/1.1', ['in.test'], 'hello'],
          ['POST /new/x?y HTTP/1.1', ['in.test'], 'hello'],
        ],
      );
    },
  ));

test('redirects and replies come from Weldr, for HEAD too', () =>
  routed(
    [
      { name: 'moved', path: '/old/*', redirect: { to: 'https://shop.test/$1', status: 308 } },
      {
        name: 'fine',
        path: '/healthz',
        reply: { body: 'fine\n' },
        responseHeaders: { set: { 'X-By': 'weldr' } },
      },
    ],
    async ({ port, session, origins: all }) => {
      const moved = await get(port, '/old/a?b');
      assert.equal([statusOf(moved), valuesOf(moved, 'location')], [308, ['https://shop.test/a?b']]);
      const moved2 = await get2(session, '/old/a?b');
      assert.equal([moved2.status, moved2.headers.location], [308, 'https://shop.test/a?b']);
      const fine = await get(port, '/healthz');
      assert.equal([statusOf(fine), fine.body, valuesOf(fine, 'x-by')], [200, 'fine\n', ['weldr']]);
      const head = await raw(port, 'HEAD /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n', 'HEAD');
      assert.equal([statusOf(head), valuesOf(head, 'content-length')], [200, ['5']]);
      const rest = await get2(session, '/nothing');
      assert.equal([rest.status, rest.body], [404, 'nothing here\n']);
      assert.equal(
        Object.values(all).flatMap(({ requests }) => requests),
        [],
      );
    },
    { otherwise: { reply: { status: 404, body: 'nothing here\n' } } },
  ));

test('a client keeps its share of a split by its cookie', () =>
  routed([{ name: 'r', split: { a: 1, b: 1 }, sticky: { cookie: 'share' } }], async ({ port, session }) => {
    for (let n = 0; n < 10; n++) {
      const first = await get(port, '/x');
      const [cookie = ''] = valuesOf(first, 'set-cookie');
      const again = await get2(session, '/x', { cookie: cookie.split(';')[0] });
      assert.equal([again.body, again.headers['set-cookie']], [first.body, undefined]);
    }
  }));

test('a route has its own response timeout', () =>
  routed(
    [{ name: 'hasty', path: '/slow', pool: 'a', timeouts: { response: 50 } }],
    async ({ port, origins: { a } }) => {
      const { answer } = a;
      a.answer = request => (request.target === '/slow' ? undefined : answer(request));
      try {
        assert.is(statusOf(await get(port, '/slow')), 504);
      } finally {
        a.answer = answer;
      }
    },
  ));

test('no spelling of a path gets past the plugins of a route, in both protocols', () =>
  routed(
    [
      { name: 'login', path: '/login', pool: 'a', plugins: [closed()] },
      { name: 'admin', path: '/admin/*', pool: 'a', plugins: [closed()] },
      { name: 'rest', path: '/*', pool: 'b' },
    ],
    async ({ port, session, origins: all }) => {
      for (const target of spellings) {
        const first = statusOf(await get(port, target));
        assert.ok(first === 403 || first === 400, `${target}: ${first}`);
        const second = (await get2(session, target)).status;
        assert.ok(second === 403 || second === 400, `${target} by HTTP/2: ${String(second)}`);
      }
      const reached = Object.values(all).flatMap(({ requests }) => requests.map(({ target }) => target));
      assert.equal(
        reached.filter(target => serversOfProtected(target).length > 0),
        [],
      );
    },
  ));

test('no spelling of a path escapes its prefix at a server', () =>
  routed(
    [
      { name: 'public', path: '/public/*', pool: 'a', stripPrefix: '/public' },
      { name: 'rest', path: '/*', pool: 'b' },
    ],
    async ({ port, session, origins: { a } }) => {
      let reached = 0;
      for (const spelling of spellings) {
        const target = `/public${spelling}`;
        a.forget();
        await get(port, target);
        await get2(session, target);
        reached += a.requests.length;
        const within = servedPaths(target).flatMap(path => withoutPrefix(path, '/public') ?? []);
        for (const request of a.requests) {
          const outside = servedPaths(request.target).filter(path => !within.includes(path));
          assert.equal(outside, [], `${target} became ${request.target}`);
          assert.not.match(request.target, /^\/\/|\/\.\.?(?:\/|$)/);
        }
      }
      assert.ok(reached > spellings.length / 2, `${reached} requests got to a server`);
    },
  ));
