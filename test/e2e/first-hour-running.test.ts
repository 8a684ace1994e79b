// The mistakes of a first hour with a running Weldr, each made on purpose, and the messages for clients, callers of the
// admin API and the log.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('the first hour of a running Weldr', { timeoutMs: 240_000, testTimeoutMs: 120_000 });

const token = '0123456789abcdef';
let origin: Origin;
/** A server that closes each connection, and one that never answers. */
let closing: Server;
let silent: Server;
let weldr: TestWeldr;

const portOf = (server: Server): number => {
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

test.before(async () => {
  origin = await startOrigin({ name: 'shop' });
  closing = createServer(socket => socket.destroy()).listen(0, '127.0.0.1');
  silent = createServer(socket => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await Promise.all([once(closing, 'listening'), once(silent, 'listening')]);
  const pools = {
    refused: 'http://127.0.0.1:1',
    closing: `http://127.0.0.1:${portOf(closing)}`,
    silent: `http://127.0.0.1:${portOf(silent)}`,
    plain: `https://127.0.0.1:${origin.port}`,
    unnamed: 'http://nowhere.invalid',
  };
  const names = Object.keys(pools);
  const routes = names.map(name => `{ name: '${name}', path: '/${name}', pool: '${name}' }`).join(', ');
  const servers = Object.entries(pools).map(([name, url]) => `${name}: ['${url}']`);
  weldr = await startWeldr({
    config: `import { defineConfig } from 'weldr';
      import { adminApi, roundRobin, routes } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 1, limits: { body: '1kb' },
        timeouts: { response: '200ms', connect: '5s' },
        pools: { shop: ['${origin.url}'], ${servers.join(', ')} },
        plugins: [
          routes([{ name: 'shop', host: 'shop.example', path: '/*', pool: 'shop' }, ${routes}]),
          roundRobin(), adminApi({ listen: '127.0.0.1:0', token: '${token}' }),
        ],
      });`,
  });
});

test.after(async () => {
  await weldr?.stop();
  await origin?.close();
  closing?.close();
  silent?.close();
});

/** By the path of a request: what its client receives, and what the log says. */
const failures: Readonly<Record<string, readonly [status: number, body: string, logged: RegExp]>> = {
  '/refused': [
    502,
    '502 no connection to the upstream',
    /cannot connect to http:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/,
  ],
  '/closing': [
    502,
    '502 the upstream closed the connection before',
    /closed the connection without a response/,
  ],
  '/silent': [504, '504 the upstream did not answer in time', /no response from http:\S+ within 200 ms/],
  '/plain': [
    502,
    '502 the TLS handshake with the upstream failed',
    /does not speak TLS; is its URL http:\/\/\?/,
  ],
  '/unnamed': [502, '502 no connection to the upstream', /there is no address for the name nowhere\.invalid/],
  '/none': [
    503,
    '503 no upstream is available',
    /no upstream of pool default is available \(0 known\); add a server/,
  ],
};

for (const [path, [status, body, logged]] of Object.entries(failures)) {
  test(`a request for ${path} gets ${status}, and the log says why`, async () => {
    const response = await fetch(`${weldr.url}${path}`);
    assert.is(response.status, status);
    assert.match(await response.text(), body);
    await weldr.logged(({ msg, target }) => target === path && logged.test(msg));
  });
}

test('a body over the limit is refused with 413, and the log names the option', async () => {
  const headers = { host: 'shop.example' };
  const response = await fetch(`${weldr.url}/`, { method: 'POST', headers, body: 'x'.repeat(2000) });
  assert.is(response.status, 413);
  await weldr.logged(({ msg }) => /2000 bytes is over limits\.body, 1024/.test(msg));
});

/** Calls of the admin API: the status, and a part of `detail`. */
const calls: Readonly<
  Record<string, readonly [status: number, detail: string, path: string, init?: RequestInit]>
> = {
  'a call without the token': [401, 'send Authorization: Bearer TOKEN', '/servers', { headers: {} }],
  'a call with a wrong token': [
    401,
    'the bearer token is wrong',
    '/servers',
    { headers: { authorization: 'Bearer no' } },
  ],
  'a body that is a form': [
    400,
    'the body is not JSON',
    '/servers',
    { method: 'POST', body: 'url=http://a' },
  ],
  'JSON that ends early': [
    400,
    'the body is not JSON',
    '/servers',
    { method: 'POST', body: '{"url":"http://a"' },
  ],
  'no body': [400, 'expected object, got nothing', '/servers', { method: 'POST' }],
  'a misspelt field': [
    400,
    'ulr: there is no such option; did you mean url?',
    '/servers',
    { method: 'POST', body: '{"ulr":"http://a"}' },
  ],
  'a server without its scheme': [
    400,
    'did you mean "http://a:1"?',
    '/servers',
    { method: 'POST', body: '{"url":"a:1"}' },
  ],
  'a wrong method': [405, '/servers takes GET, HEAD, POST, not PUT', '/servers', { method: 'PUT' }],
  'an unknown path': [404, 'did you mean /servers? GET / lists what there is', '/server'],
  'a pool in the query': [
    400,
    'did you mean POST /pools/shop/servers?',
    '/servers?pool=shop',
    { method: 'POST', body: '{"url":"http://a"}' },
  ],
  'an unknown server': [404, 'GET /servers lists them', '/servers/127.0.0.1/9', { method: 'DELETE' }],
  'an unknown pool': [404, 'GET /pools lists them', '/pools/shp'],
};

for (const [what, [status, detail, path, init]] of Object.entries(calls)) {
  test(`the admin API says what is wrong with ${what}`, async () => {
    const response = await fetch(`${weldr.adminUrl}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      ...init,
    });
    const problem: unknown = await response.json();
    assert.is(response.status, status);
    assert.match(JSON.stringify(problem).replaceAll('\\"', '"'), detail);
  });
}

/** Commands against it: the expected message, the command, and the token. */
const commands: Readonly<Record<string, readonly [said: string, args: readonly string[], token?: string]>> = {
  'no token': ['send Authorization: Bearer TOKEN: set WELDR_ADMIN_TOKEN to the token', ['servers']],
  'a wrong token': ['is wrong: set WELDR_ADMIN_TOKEN to the token', ['servers'], 'wrong'],
  'a missing plugin': [
    'there is no /stats; GET / lists what there is; add stats() to the plugins',
    ['stats'],
    token,
  ],
};

for (const [what, [said, args, given]] of Object.entries(commands)) {
  test(`a command says what to do about ${what}`, async () => {
    const env = given === undefined ? {} : { WELDR_ADMIN_TOKEN: given };
    const { code, stderr } = await runWeldr([...args, '--admin-url', weldr.adminUrl], { env });
    assert.ok(stderr.includes(said), stderr);
    assert.is(code, 1);
  });
}

test("a command reports that the address is not the admin API's", async () => {
  const { stderr } = await runWeldr(['servers', '--admin-url', weldr.url]);
  assert.match(stderr, "answers 503 without JSON: is it Weldr's admin API?");
});

test('weldr health reports how many workers are ready, and fails at an address without Weldr', async () => {
  const here = await runWeldr(['health', '--admin-url', weldr.adminUrl]);
  assert.equal([here.code, here.stdout], [0, 'ready: 1 of 1 workers\n']);
  assert.is((await runWeldr(['health', '--admin-url', 'http://127.0.0.1:1'])).code, 69);
});

/** Returns the message of a refused start. */
async function refusedStart(listen: string, plugins = ''): Promise<string> {
  const started = await startWeldr({
    config: `import { adminApi, roundRobin } from 'weldr/plugins';
      export default { listen: '${listen}', workers: 1, plugins: [roundRobin(), ${plugins}] };
      export const used = adminApi;`,
    noWait: true,
  });
  await started.exited;
  const { output } = started;
  await started.stop();
  return output;
}

test('a port that is taken is named, with what to do', async () => {
  const said = await refusedStart(`127.0.0.1:${origin.port}`);
  assert.match(
    said,
    `cannot listen on 127.0.0.1:${origin.port}: the port is taken by another process; stop that, or`,
  );
});

test('a port that is taken is named for the admin API, too', async () => {
  const said = await refusedStart('127.0.0.1:0', `adminApi({ listen: '127.0.0.1:${origin.port}' })`);
  assert.match(said, 'the port is taken by another process; stop it, or choose another with --admin-ip');
});

test('an address of another machine is refused with the remedy', async () => {
  assert.match(await refusedStart('192.0.2.1:8080'), 'this machine has no such address');
});
