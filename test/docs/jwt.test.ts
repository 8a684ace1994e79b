// The example jwt, in a real Weldr with a real key server: which requests it admits, and which keys it fetches.
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import type { WeldrConfig } from '../../config/index.ts';
import { jwt } from '../../docs/examples/jwt.ts';
import { roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { tapping } from '../support/tapping.ts';
import { until } from '../support/until.ts';
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
/** What the provider waits for before it answers. */
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
function ask(url: string, bearer: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/headers`, { headers: { ...headers, authorization: `Bearer ${bearer}` } });
}

test('admits valid tokens and forwards their subject; a field from the client is dropped', async () => {
  await withWeldr(config(), async ({ url }) => {
    const answer = await ask(url, await token({ claims: { sub: 'änn' } }), { 'X-User': 'root' });
    assert.is(answer.status, 200);
    assert.match(await answer.text(), '"x-user":"%C3%A4nn"');
  });
});

test('refuses an invalid token with 401 and a challenge', async () => {
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

test('does not fetch again for unknown keys, however many there are', async () => {
  await withWeldr(config(), async ({ url }) => {
    assert.is((await ask(url, await token())).status, 200);
    for (let i = 0; i < 10; i++) {
      assert.is((await ask(url, await token({ kid: `unknown ${i}`, key: stranger.privateKey }))).status, 401);
    }
    assert.is(provider.requests, 1);
  });
});

test('replies 503 while there are no keys, and admits again once there are', async () => {
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
