// jwt in a real Weldr, with a real provider of keys: no order, spelling, protocol, pool or retry gets past it.
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import { retry, type WeldrConfig, when } from '../../../config/index.ts';
import { type JwtOptions, jwt, roundRobin, retry as tryAgain } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { tapping } from '../../support/tapping.ts';
import { until } from '../../support/until.ts';
import { startWeldr } from '../../support/weldr.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { statusOf } from '../../wire/support/strict-message.ts';

const test = suite('jwt with real traffic');

const { privateKey, publicKey } = await generateKeyPair('ES256');
const keySet = JSON.stringify({
  keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }],
});
const bearer = `Bearer ${await new SignJWT({
  iss: 'https://id.test',
  aud: 'shop',
  sub: 'ann',
  exp: 4_000_000_000,
})
  .setProtectedHeader({ alg: 'ES256', kid: 'one' })
  .sign(privateKey)}`;

let origin: Origin;
let provider: Origin;
/** What the provider does before it answers. */
let hold: Promise<void> = Promise.resolve();
test.before.each(async () => {
  hold = Promise.resolve();
  provider = await startOrigin({
    async handle(_, response) {
      await hold;
      response.end(keySet);
    },
  });
  origin = await startOrigin();
});
test.after.each(() => Promise.all([origin.close(), provider.close()]));

const check = (options: Partial<JwtOptions> = {}) =>
  jwt({
    jwks: `${provider.url}/keys`,
    issuer: 'https://id.test',
    audience: 'shop',
    forwardClaims: { 'X-User': 'sub' },
    ...options,
  } as JwtOptions);
const listen = [{ address: '127.0.0.1:0', h2c: true }];
test('admits tokens in both protocols, and no client can forge the name that it forwards', async () => {
  await withWeldr(
    { listen, servers: [origin.url], plugins: [roundRobin(), check()] },
    async ({ url, port }) => {
      const headers = { authorization: bearer, 'x-user': 'root', x_user: 'root' };
      const h1 = (await (await fetchOnce(`${url}/headers`, { headers })).json()) as Record<string, string>;
      const h2 = JSON.parse((await h2Exchange(url, { ':path': '/headers', ...headers })).body.toString());
      for (const seen of [h1, h2]) assert.equal([seen['x-user'], seen['x_user']], ['ann', undefined]);
      const before = origin.requests;
      assert.is((await h2Exchange(url)).status, 401);
      assert.is((await h2Exchange(url, { authorization: `${bearer}x` })).status, 401);
      const client = await RawClient.open(port);
      const line = `Authorization: ${bearer}\r\n`;
      client.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${line}Authorization: Bearer abc\r\n\r\n`);
      assert.is(statusOf(await client.response()), 400);
      client.close();
      assert.equal([origin.requests, provider.requests], [before, 1]);
    },
  );
});

test('fetches keys once for two worker processes', async () => {
  const config = `
    import { defineConfig } from 'weldr';
    import { jwt, roundRobin } from 'weldr/plugins';
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 2, servers: ['${origin.url}'],
      plugins: [jwt({ jwks: '${provider.url}/keys', audience: 'shop' }), roundRobin()],
    });`;
  const weldr = await startWeldr({ config });
  try {
    const statuses = await Promise.all(
      Array.from(
        { length: 20 },
        async () => (await fetchOnce(weldr.url, { headers: { authorization: bearer } })).status,
      ),
    );
    assert.equal(new Set(statuses), new Set([200]));
    assert.is((await fetchOnce(weldr.url)).status, 401);
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    assert.is((await fetchOnce(weldr.url, { headers: { authorization: bearer } })).status, 200);
    assert.is(provider.requests, 1);
  } finally {
    await weldr.stop();
  }
});

test('waits no longer for keys than its limit, and forgets clients that left', async () => {
  hold = new Promise(() => {});
  const plugins = [check({ timeout: '200ms' }), roundRobin()];
  await withWeldr({ servers: [origin.url], plugins }, async ({ url, port }) => {
    const leaving = await RawClient.open(port);
    leaving.send(`GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: ${bearer}\r\n\r\n`);
    await until('the provider is asked', () => provider.inFlight >= 1);
    leaving.reset();
    assert.is((await fetchOnce(url, { headers: { authorization: bearer } })).status, 503);
    assert.is((await fetchOnce(url)).status, 401);
    hold = Promise.resolve();
    const isIn = async () => (await fetchOnce(url, { headers: { authorization: bearer } })).status === 200;
    await until('keys are there', isIn);
    assert.is(origin.requests, 1);
  });
});

/** Sends each target unchanged, in both protocols, and expects that none reaches the origin. */
async function refusesAll(
  plugins: NonNullable<WeldrConfig['plugins']>,
  targets: readonly string[],
): Promise<void> {
  const config = { listen, servers: [origin.url], plugins: [...plugins, roundRobin()] };
  await withWeldr(config, async ({ port, url }) => {
    for (const target of targets) {
      const client = await RawClient.open(port);
      client.send(`GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      const status = statusOf(await client.response());
      assert.ok(status === 401 || status === 400, `${target} got ${status}`);
      client.close();
      if (!target.startsWith('/')) continue;
      const { status: h2 } = await h2Exchange(url, { ':path': target });
      assert.ok(h2 === 401 || h2 === 400, `${target} got ${h2} over HTTP/2`);
    }
    assert.equal([...origin.seen.keys()], []);
  });
}

test('cannot be bypassed by another spelling of a path that it guards', async () => {
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

test('cannot be bypassed through a path that it leaves open', async () => {
  const targets = [
    '/',
    '/public/../admin',
    '/public/%2e%2e/admin',
    '/public/..%2fadmin',
    '/public/..%5cadmin',
    '/public/..;/admin',
    '/public/%252e%252e/admin',
    '/publicity',
    '*',
  ];
  await refusesAll([when({ not: { path: '/public/*' } }, check())], targets);
});

test('guards its pool, whichever way a request gets there', async () => {
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
      const before = origin.requests;
      await withWeldr(each, async ({ url }) => {
        assert.is((await fetchOnce(url)).status, 401);
        assert.is(origin.requests, before);
        assert.is((await fetchOnce(url, { headers: { authorization: bearer } })).status, 200);
      });
    }
  } finally {
    await failing.close();
  }
});

test('is not skipped when a request is tried again', async () => {
  let attempts = 0;
  const failing = await startOrigin();
  failing.healthStatus = 503;
  const count = tapping('count', hooks => hooks.preProxy.tap('count', () => void attempts++));
  const plugins = [count, tryAgain({ statuses: [503] }), roundRobin(), check()];
  try {
    await withWeldr({ servers: [failing.url, origin.url], plugins }, async ({ url }) => {
      for (let i = 0; i < 4; i++) assert.is((await fetchOnce(url)).status, 401);
      assert.equal([attempts, failing.requests, origin.requests], [0, 0, 0]);
      for (let i = 0; i < 4; i++) {
        assert.is((await fetchOnce(url, { headers: { authorization: bearer } })).status, 200);
      }
      assert.ok(attempts > 4, 'some were tried again');
    });
  } finally {
    await failing.close();
  }
});
