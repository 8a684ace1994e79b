// The example jwt, in a real Weldr, with a real server of keys: who gets in, what is fetched, and ways around it.
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import { definePlugin, type RequestHooks, retry, type WeldrConfig, when } from '../../config/index.ts';
import { jwt } from '../../docs/examples/jwt.ts';
import { roundRobin, retry as tryAgain } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/weldr.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { statusOf } from '../wire/support/strict-message.ts';

const test = suite('the example jwt');

const [{ privateKey, publicKey }, stranger] = await Promise.all([
  generateKeyPair('ES256'),
  generateKeyPair('ES256'),
]);
const keySet = JSON.stringify({
  keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }],
});

interface TokenFacts {
  readonly kid?: string;
  readonly key?: typeof privateKey;
  readonly claims?: JWTPayload;
}

function token({ kid = 'one', key = privateKey, claims = {} }: TokenFacts = {}): Promise<string> {
  return new SignJWT({ iss: 'https://id.test', aud: 'shop', sub: 'ann', exp: 4_000_000_000, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(key);
}

let origin: Origin;
let provider: Origin;
/** What the provider does before it answers. */
let hold: Promise<void> = Promise.resolve();
let keyStatus = 200;
test.before.each(async () => {
  keyStatus = 200;
  hold = Promise.resolve();
  provider = await startOrigin({
    async handle(_, response) {
      await hold;
      response.writeHead(keyStatus, { 'content-type': 'application/json' }).end(keySet);
    },
  });
  origin = await startOrigin();
});
test.after.each(() => Promise.all([origin.close(), provider.close()]));

const check = () => jwt({ jwks: `${provider.url}/keys`, issuer: 'https://id.test', audience: 'shop' });
const config = (): WeldrConfig => ({ servers: [origin.url], plugins: [check(), roundRobin()] });
const tapping = (name: string, worker: (hooks: RequestHooks) => void) =>
  definePlugin({ name, worker: ({ hooks }) => worker(hooks) })();

function ask(url: string, bearer: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/headers`, { headers: { ...headers, authorization: `Bearer ${bearer}` } });
}

test('lets valid tokens in, and says whose they are; what a client says of itself is dropped', async () => {
  await withWeldr(config(), async ({ url }) => {
    const answer = await ask(url, await token({ claims: { sub: 'änn' } }), { 'X-User': 'root' });
    assert.is(answer.status, 200);
    assert.match(await answer.text(), '"x-user":"%C3%A4nn"');
  });
});

test('refuses what is no valid token, with 401 and what is wanted', async () => {
  await withWeldr(config(), async ({ url, port }) => {
    const bad = [
      'abc',
      await token({ key: stranger.privateKey }),
      await token({ claims: { exp: 1_000_000_000 } }),
      await token({ claims: { aud: 'bank' } }),
      await token({ claims: { iss: 'https://id.evil' } }),
      (await token()).replace(/\.[^.]*$/, '.'),
      `${btoa('{"alg":"none"}')}.${btoa('{"sub":"ann"}')}.`.replaceAll('=', ''),
      await new SignJWT({ iss: 'https://id.test', aud: 'shop', sub: 'ann', exp: 4_000_000_000 })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(new TextEncoder().encode(JSON.stringify(await exportJWK(publicKey)))),
    ];
    for (const each of bad) {
      const answer = await ask(url, each);
      assert.equal(
        [answer.status, answer.headers.get('www-authenticate')],
        [401, 'Bearer error="invalid_token"'],
        each,
      );
    }
    const without = await fetch(url);
    assert.equal([without.status, without.headers.get('www-authenticate')], [401, 'Bearer']);
    const client = await RawClient.open(port);
    const line = `Authorization: Bearer ${await token()}\r\n`;
    client.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${line}Authorization: Bearer abc\r\n\r\n`);
    assert.is(statusOf(await client.response()), 401);
    client.close();
    assert.is(origin.requests, 0);
  });
});

test('fetches the keys once for twenty concurrent requests, and never for the next ones', async () => {
  let arrived = 0;
  const released = Promise.withResolvers<void>();
  hold = released.promise;
  const count = tapping('count', hooks => hooks.request.tap('count', () => void arrived++));
  await withWeldr({ servers: [origin.url], plugins: [count, check(), roundRobin()] }, async ({ url }) => {
    const bearer = await token();
    const asked = Array.from({ length: 20 }, async () => (await ask(url, bearer)).status);
    await until('all have come', () => arrived === 20 && provider.requests > 0);
    released.resolve();
    assert.equal(new Set(await Promise.all(asked)), new Set([200]));
    assert.is((await ask(url, bearer)).status, 200);
    assert.is(provider.requests, 1);
  });
});

test('fetches no more for keys that nobody knows, however many are asked for', async () => {
  await withWeldr(config(), async ({ url }) => {
    assert.is((await ask(url, await token())).status, 200);
    for (let i = 0; i < 10; i++) {
      assert.is((await ask(url, await token({ kid: `unknown ${i}`, key: stranger.privateKey }))).status, 401);
    }
    assert.is(provider.requests, 1);
  });
});

test('replies 503 while there are no keys, and goes on when there are', async () => {
  await withWeldr(config(), async ({ url }) => {
    keyStatus = 500;
    assert.is((await ask(url, await token())).status, 503);
    await provider.close();
    assert.equal([(await ask(url, await token())).status, (await fetch(url)).status], [503, 401]);
    await provider.reopen();
    keyStatus = 200;
    assert.is((await ask(url, await token())).status, 200);
  });
});

test('does not wait for keys longer than it may, and forgets who left meanwhile', async () => {
  const released = Promise.withResolvers<void>();
  hold = released.promise;
  const hasty = jwt({
    jwks: `${provider.url}/keys`,
    issuer: 'https://id.test',
    audience: 'shop',
    timeout: 100,
  });
  await withWeldr({ servers: [origin.url], plugins: [hasty, roundRobin()] }, async ({ url, port }) => {
    const bearer = await token();
    const leaving = await RawClient.open(port);
    leaving.send(`GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer ${bearer}\r\n\r\n`);
    await until('it waits for the keys', () => provider.inFlight === 1);
    leaving.reset();
    assert.is((await ask(url, bearer)).status, 503);
    released.resolve();
    hold = Promise.resolve();
    assert.is((await ask(url, bearer)).status, 200);
    assert.is(origin.requests, 1);
  });
});

/** Sends each target as it is, and expects that none gets to the origin. */
async function refusesAll(
  plugins: NonNullable<WeldrConfig['plugins']>,
  targets: readonly string[],
): Promise<void> {
  await withWeldr({ servers: [origin.url], plugins: [...plugins, roundRobin()] }, async ({ port }) => {
    for (const target of targets) {
      const client = await RawClient.open(port);
      client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      const status = statusOf(await client.response());
      assert.ok(status === 401 || status === 400, `${target} got ${status}`);
      client.close();
    }
    assert.equal([...origin.seen.keys()], []);
  });
}

test('cannot be passed by another way to write a path that it guards', async () => {
  const targets = [
    '/login',
    '/%6cogin',
    '/%6Cogin/',
    '//login',
    '///login',
    '/./login',
    '/x/../login',
    '/x/%2e%2e/login',
    '/x/.%2E/login',
    '/x/..%2flogin',
    '/x/..%5clogin',
    '/x\\..\\login',
    '/LOGIN',
    '/login;a=b',
    '/;/login',
    '/login?x',
    '/%256cogin',
    '/login%2f',
    '/login/.',
    'http://a.test/login',
  ];
  await refusesAll([when({ path: '/login' }, check())], targets);
});

test('cannot be passed through a path that it leaves open', async () => {
  const targets = [
    '/',
    '/public/../admin',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin',
    '/public/..%5cadmin',
    '/public/..;/admin',
    '/public\\..\\admin',
    '/public/%252e%252e/admin',
    '/publicity',
    '*',
  ];
  await refusesAll([when({ not: { path: '/public/*' } }, check())], targets);
});

test('is asked before a pool of its own whichever way a request comes there', async () => {
  const failing = await startOrigin();
  failing.healthStatus = 503;
  const elsewhere = tapping('elsewhere', hooks =>
    hooks.judge.tap('elsewhere', ctx => (ctx.status === 503 ? retry({ pool: 'api' }) : undefined)),
  );
  const api = { servers: [origin.url], plugins: [check()] };
  const configs: WeldrConfig[] = [
    { pools: { api, default: { servers: [], fallback: 'api' } }, plugins: [roundRobin()] },
    { servers: [failing.url], pools: { api }, plugins: [elsewhere, roundRobin()] },
    {
      servers: [failing.url],
      pools: { api },
      plugins: [elsewhere, roundRobin(), tryAgain({ statuses: [503] })],
    },
  ];
  try {
    for (const each of configs) {
      await withWeldr(each, async ({ url }) => {
        assert.is((await fetch(url)).status, 401);
        assert.is(origin.requests, 0);
        assert.is((await fetch(url, { headers: { authorization: `Bearer ${await token()}` } })).status, 200);
      });
      await origin.close();
      origin = await startOrigin();
      assert.is(origin.requests, 0);
      api.servers = [origin.url];
    }
  } finally {
    await failing.close();
  }
});

test('is not skipped when a request is tried again', async () => {
  let checked = 0;
  const failing = await startOrigin();
  failing.healthStatus = 503;
  const count = tapping('count', hooks => hooks.preProxy.tap('count', () => void checked++));
  const plugins = [count, check(), roundRobin(), tryAgain({ statuses: [503] })];
  try {
    await withWeldr({ servers: [failing.url, origin.url], plugins }, async ({ url }) => {
      for (let i = 0; i < 4; i++) assert.is((await fetch(url)).status, 401);
      assert.equal([checked, failing.requests, origin.requests], [0, 0, 0]);
      const bearer = await token();
      for (let i = 0; i < 4; i++) {
        assert.is((await fetch(url, { headers: { authorization: `Bearer ${bearer}` } })).status, 200);
      }
      assert.ok(checked > 4, 'some were tried again');
    });
  } finally {
    await failing.close();
  }
});
