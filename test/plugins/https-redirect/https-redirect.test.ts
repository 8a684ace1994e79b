// The https-redirect plugin: which requests are redirected where, and what browsers remember.
import * as assert from 'uvu/assert';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type HttpsRedirectOptions, httpsRedirect } from '../../../plugins/https-redirect/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('https-redirect');

async function run(request: RunOptions, options: HttpsRedirectOptions = {}): Promise<RunResult> {
  const side = await workerSide([httpsRedirect(options), roundRobin()], { upstreams: ['http://a:1'] });
  return await side.run(request);
}

const shop = { host: 'shop.test', target: '/cart?id=1&x=%2F' } as const;

test('sends http:// to https://, with host, path and query unchanged', async () => {
  const result = await run(shop);
  assert.equal([result.status, result.headers.get('location')], [308, 'https://shop.test/cart?id=1&x=%2F']);
  assert.equal(result.attempts, []);
});

test('lets https:// through', async () => {
  const result = await run({ ...shop, scheme: 'https' });
  assert.equal([result.status, result.headers.has('strict-transport-security')], [200, false]);
});

test('replaces the port of the host, IPv6 addresses included', async () => {
  for (const [host, port, location] of [
    ['shop.test:8080', 443, 'https://shop.test/'],
    ['shop.test:', 443, 'https://shop.test/'],
    ['shop.test:80', 8443, 'https://shop.test:8443/'],
    ['[::1]:80', 443, 'https://[::1]/'],
    ['[2001:db8::1]', 8443, 'https://[2001:db8::1]:8443/'],
  ] as const) {
    assert.is((await run({ host, target: '/' }, { port })).headers.get('location'), location);
  }
});

test('replies to requests without a host, and to OPTIONS *', async () => {
  assert.is((await run({ host: '', version: '1.0' })).status, 400);
  const result = await run({ host: 'shop.test', method: 'OPTIONS', target: '*' });
  assert.is(result.headers.get('location'), 'https://shop.test/');
});

test('sends HSTS only over https://, and keeps that of the server', async () => {
  const options = { hsts: { maxAge: 60, includeSubDomains: true, preload: true } };
  const said = async (request: RunOptions): Promise<string | undefined> =>
    (await run({ ...shop, ...request }, options)).headers.get('strict-transport-security');
  assert.is(await said({ scheme: 'https' }), 'max-age=60; includeSubDomains; preload');
  assert.is(await said({}), undefined);
  const answers = [{ status: 200, headers: { 'Strict-Transport-Security': 'max-age=1' } }];
  assert.is(await said({ scheme: 'https', answers }), 'max-age=1');
});

test('refuses invalid options', async () => {
  for (const options of [
    { status: 303 },
    { port: 0 },
    { hsts: { preload: true } },
    { hsts: { maxAge: -1 } },
    { x: 1 },
  ]) {
    const thrown = await run({}, options as object).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
  }
});
