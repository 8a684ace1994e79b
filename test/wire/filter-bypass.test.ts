// No spelling of a path, form of a request or order of plugins gets a request past a filter to a server that would
// serve the filtered path.
import * as assert from 'uvu/assert';
import { when } from '../../core/plugin/when.ts';
import { workerSide } from '../../core/testing.ts';
import { roundRobin } from '../../plugins/index.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { closed, filtered } from './support/filtered.ts';
import { serversOfProtected } from './support/path-servers.ts';
import { spellings } from './support/path-spellings.ts';
import { startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

let origins: ScriptedOrigin[] = [];
const proxies = new Map<string, TestProxy>();
let unfiltered: TestProxy | undefined;

const answer = ({ target, method }: { target: string; method: string }): string => {
  const servers = serversOfProtected(target);
  const response = ok(servers.length === 0 ? `open ${target}` : `secret of ${servers.join(', ')}`);
  return method === 'HEAD' ? response.slice(0, response.indexOf('\r\n\r\n') + 4) : response;
};

async function open(): Promise<void> {
  origins = [await ScriptedOrigin.start({ answer }), await ScriptedOrigin.start({ answer })];
  const [one = '', two = ''] = origins.map(({ url }) => url);
  const dead = `http://127.0.0.1:${await freePort()}`;
  for (const [name, make] of Object.entries(filtered)) {
    proxies.set(name, await startProxyOf(await make({ one, two, dead })));
  }
  unfiltered = await startProxyOf(await workerSide(roundRobin(), { upstreams: [one, two] }));
}

async function close(): Promise<void> {
  unfiltered?.close();
  for (const proxy of proxies.values()) proxy.close();
  await Promise.all(origins.map(origin => origin.close()));
  proxies.clear();
}

/** The targets at the origins that some server would read as a protected path. */
const leaked = (): string[] =>
  origins.flatMap(({ requests }) =>
    requests.map(({ target }) => target).filter(target => serversOfProtected(target).length > 0),
  );

/** Sends requests in one write, and resolves with the statuses of their responses. */
async function statusesOf(port: number, bytes: string, ...methods: string[]): Promise<number[]> {
  const client = await RawClient.open(port);
  try {
    client.send(bytes);
    return (await client.responses(...methods)).map(statusOf);
  } finally {
    client.close();
  }
}

/** Sends a request through all proxies with a filter: each refuses it, and no origin receives it. */
async function expectRefused(
  bytes: string,
  method = 'GET',
  wanted: readonly number[] = [403, 400],
): Promise<void> {
  for (const [name, { port }] of proxies) {
    for (const origin of origins) origin.forget();
    const [status = 0] = await statusesOf(port, bytes, method);
    assert.ok(wanted.includes(status), `filters ${name}: ${status}`);
    assert.equal(leaked(), [], `filters ${name}`);
    assert.equal(
      origins.flatMap(({ requests }) => requests.map(({ line }) => line)),
      [],
      `filters ${name}`,
    );
  }
}

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

const control = suite('filters under test');
control.before(open);
control.after(close);

control('let open paths pass, byte for byte', async () => {
  for (const [name, { port }] of proxies) {
    for (const target of ['/open', '/open/a%2Fb', '/open//x;y=z', '/open/a%20b?q=/login']) {
      for (const origin of origins) origin.forget();
      assert.equal(await statusesOf(port, get(target), 'GET'), [200], `${target}, filters ${name}`);
      const seen = origins.flatMap(({ requests }) => requests.map(request => request.target));
      assert.equal(seen, [target], `filters ${name}`);
    }
  }
});

const paths = suite('a path');
paths.before(open);
paths.after(close);

for (const target of spellings) {
  paths(`${target} gets past no filter, and without one some server serves it`, async () => {
    await expectRefused(get(target));
    for (const origin of origins) origin.forget();
    await statusesOf(unfiltered?.port ?? 0, get(target), 'GET');
    assert.equal(leaked(), [target]);
  });
}

/** All readers agree on these: the filter is asked, and the request is not refused as ambiguous. */
for (const target of ['/login', '/LOGIN', '/login/', '/login?x', '/admin', '/admin/x', '/ADMIN/X?y']) {
  paths(`${target} is seen by the filter itself`, () => expectRefused(get(target), 'GET', [403]));
}

/** Targets that Weldr refuses with or without a filter. */
for (const target of [
  '/\\login',
  '\\login',
  '/x\\..\\login',
  '/login#',
  '/#/../login',
  'login',
  '*/login',
  '*',
  '/login\x00',
  '/log\tin',
  '/login\x0b',
  '/login\xa0',
  '/"login',
  '/<login',
  'a.test/login',
  'http:/login',
  'http:login',
  'http:///login',
  'http://a.test@b.test/login',
  'http://a.test\\login',
  'ftp://a.test/login',
  'file:///login',
  'ws://a.test/login',
  'HTTP/1.1',
  '?/login',
  'http://a.test#/login',
  'http://a b/login',
  'http://%61.test/login',
]) {
  paths(`${JSON.stringify(target)} is refused with or without a filter`, async () => {
    await expectRefused(get(target), 'GET', [400]);
    assert.equal(await statusesOf(unfiltered?.port ?? 0, get(target), 'GET'), [400]);
  });
}

const forms = suite('a request');
forms.before(open);
forms.after(close);

const lines = (...all: readonly string[]): string => [...all, '', ''].join('\r\n');

for (const target of [
  'http://a.test/login',
  'HTTP://a.test/login',
  'http://A.TEST:80/login',
  'https://a.test/login',
  'http://b.test//login',
  'http://a.test/%6cogin',
  'http://a.test/x/../login',
  'http://a.test/%2e%2e/login',
  'http://a.test/login;a=b',
  'http://a.test/admin/x',
  'http://a.test/login?x',
  'http://[::1]/login',
  'http://a.test//a.test/login',
]) {
  forms(`in absolute-form, ${target}, gets past no filter`, async () => {
    await expectRefused(get(target));
    await expectRefused(`GET ${target} HTTP/1.0\r\n\r\n`);
  });
}

forms('in absolute-form with an empty path is a request for /', async () => {
  for (const target of ['http://a.test', 'http://a.test?/login']) {
    for (const [name, { port }] of proxies) {
      const [status = 0] = await statusesOf(port, get(target), 'GET');
      assert.is(status, name === 'as all but what is open' ? 403 : 200, name);
      assert.equal(leaked(), []);
    }
  }
});

forms('with HTTP/1.0 gets past no filter, with or without Host', async () => {
  await expectRefused('GET /login HTTP/1.0\r\n\r\n', 'GET', [403]);
  await expectRefused('GET /login HTTP/1.0\r\nHost: a.test\r\n\r\n', 'GET', [403]);
  await expectRefused('GET //login HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
});

for (const method of [
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'PROPFIND',
  'get',
  'Get',
  'FOO',
  'M-SEARCH',
  'PRI',
  'QUERY',
  'GET!',
  'A'.repeat(32),
]) {
  forms(`of the method ${method} gets past no filter`, async () => {
    await expectRefused(lines(`${method} /login HTTP/1.1`, 'Host: a.test'), method, [403]);
    await expectRefused(lines(`${method} //login HTTP/1.1`, 'Host: a.test'), method);
    await expectRefused(
      `${lines(`${method} /admin/x HTTP/1.1`, 'Host: a.test', 'Content-Length: 2')}hi`,
      method,
      [403],
    );
  });
}

forms('of HEAD gets past no filter', async () => {
  await expectRefused(lines('HEAD /login HTTP/1.1', 'Host: a.test'), 'HEAD', [403]);
  await expectRefused(lines('HEAD /%2flogin HTTP/1.1', 'Host: a.test'), 'HEAD');
});

forms('of CONNECT or TRACE, and one of another version, is refused', async () => {
  for (const first of [
    'CONNECT /login HTTP/1.1',
    'CONNECT a.test:443 HTTP/1.1',
    'PRI * HTTP/2.0',
    'TRACE /login HTTP/1.1',
    'GET /login HTTP/1.2',
    'GET /login',
  ]) {
    await expectRefused(lines(first, 'Host: a.test'), 'GET', [400, 405, 505]);
  }
});

forms('for * passes filters of paths, but not one for everything', async () => {
  const options = lines('OPTIONS * HTTP/1.1', 'Host: a.test');
  for (const [name, { port }] of proxies) {
    const [status = 0] = await statusesOf(port, options, 'OPTIONS');
    assert.is(status, name === 'as all but what is open' ? 403 : 200, name);
  }
  const [one = ''] = origins.map(({ url }) => url);
  const proxy = await startProxyOf(
    await workerSide([roundRobin(), when({ path: '/*' }, closed())], { upstreams: [one] }),
  );
  assert.equal(await statusesOf(proxy.port, options, 'OPTIONS'), [403]);
  assert.equal(
    await statusesOf(proxy.port, lines('OPTIONS http://a.test HTTP/1.1', 'Host: a.test'), 'OPTIONS'),
    [403],
  );
  proxy.close();
});

const bodies: Readonly<Record<string, string>> = {
  'with a body': `${lines('POST /login HTTP/1.1', 'Host: a.test', 'Content-Length: 2')}hi`,
  'with chunks': `${lines('POST /login HTTP/1.1', 'Host: a.test', 'Transfer-Encoding: chunked')}2\r\nhi\r\n0\r\n\r\n`,
  'that expects 100': lines(
    'POST /login HTTP/1.1',
    'Host: a.test',
    'Content-Length: 2',
    'Expect: 100-continue',
  ),
  'for an upgrade': lines('GET /login HTTP/1.1', 'Host: a.test', 'Connection: Upgrade', 'Upgrade: websocket'),
  'for an upgrade to HTTP/2': lines(
    'GET /login HTTP/1.1',
    'Host: a.test',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AA',
  ),
  'that ends its connection': lines('GET /login HTTP/1.1', 'Host: a.test', 'Connection: close'),
  'with an empty line before it': `\r\n${get('/login')}`,
  'for an upgrade with a strange spelling': lines(
    'GET /%6cogin HTTP/1.1',
    'Host: a.test',
    'Connection: Upgrade',
    'Upgrade: websocket',
  ),
};
for (const [what, bytes] of Object.entries(bodies)) {
  forms(`${what} gets past no filter`, () => expectRefused(bytes, bytes.trimStart().split(' ')[0] ?? ''));
}

forms('among others on one connection gets past no filter', async () => {
  const post = `${lines('POST /login HTTP/1.1', 'Host: a.test', 'Content-Length: 2')}hi`;
  const all = get('/open') + get('/login') + get('/open?2') + get('/LOGIN') + get('/open?3') + post;
  for (const [name, { port }] of proxies) {
    for (const origin of origins) origin.forget();
    const statuses = await statusesOf(port, all, 'GET', 'GET', 'GET', 'GET', 'GET', 'POST');
    assert.equal(statuses, [200, 403, 200, 403, 200, 403], name);
    assert.equal(leaked(), []);
  }
});

forms('after one with an ambiguous path is refused or filtered too', async () => {
  for (const [name, { port }] of proxies) {
    for (const origin of origins) origin.forget();
    const client = await RawClient.open(port);
    client.send(get('/open') + get('//login') + get('/login') + get('/open/../login'));
    client.finish();
    await client.untilEnd();
    assert.not.match(client.text, 'secret', name);
    assert.equal(leaked(), [], name);
    client.close();
  }
});

forms('that arrives byte by byte gets past no filter', async () => {
  const port = proxies.get('after all others')?.port ?? 0;
  const client = await RawClient.open(port);
  for (const origin of origins) origin.forget();
  await client.sendPieces([...get('/%6cogin')], 0);
  assert.is(statusOf(await client.response()), 403);
  assert.equal(leaked(), []);
  client.close();
});

forms('whose condition is async is refused with 500, and the log names the plugin', async () => {
  const [one = ''] = origins.map(({ url }) => url);
  const isLogin = (async () => false) as unknown as () => boolean;
  const side = await workerSide([roundRobin(), when(isLogin, closed())], { upstreams: [one] });
  const proxy = await startProxyOf(side);
  for (const origin of origins) origin.forget();
  assert.equal(await statusesOf(proxy.port, get('/login'), 'GET'), [500]);
  assert.equal(leaked(), []);
  const line = proxy.log.find(({ level }) => level === 'error');
  assert.equal([line?.['plugin'], line?.['stage']], ['when:isLogin/closed', 'request']);
  proxy.close();
});
