// admin-api: which calls are admitted: tokens, pages of other sites, rebound names, addresses to listen on.
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../core/errors.ts';
import type { Overrides } from '../../../core/settings/settings.ts';
import { managerSide } from '../../../core/testing.ts';
import { isLoopback } from '../../../plugins/admin-api/access-guard.ts';
import { type AdminApiOptions, adminApi } from '../../../plugins/admin-api/index.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';
import { addressOf, at, callsTo, withApi } from './api.ts';

const test = suite('admin-api access');

const token = 'correct-horse-battery-staple';
const server = { url: 'http://127.0.0.1:12345' };

function startError(options: AdminApiOptions, overrides: Overrides = {}): Promise<WeldrError> {
  return rejectionOf(managerSide(adminApi(options), { overrides }).then(side => side.close()));
}

test('an address that others can reach is refused without a token', async () => {
  for (const listen of ['0.0.0.0:0', '[::]:0', ':0', '192.0.2.1:0', 'example.org:0']) {
    const error = await startError({ listen });
    assert.equal([error.code, error.field], ['CONFIG_INVALID', 'token'], listen);
    assert.match(error.message, /WELDR_ADMIN_TOKEN, or listen on 127\.0\.0\.1/);
  }
  assert.is(
    (await startError({}, { adminListen: '0.0.0.0:0' })).code,
    'CONFIG_INVALID',
    'a flag does not avoid that',
  );
});

test('with a token it listens there', async () => {
  const side = await managerSide(adminApi({ listen: '0.0.0.0:0', token }));
  const { call } = callsTo(addressOf(side).replace('0.0.0.0', '127.0.0.1'));
  const good = { authorization: `Bearer ${token}`, host: 'weldr.example' };
  assert.is((await call('GET', '/servers', undefined, good)).status, 200);
  await side.close();
});

test('a guessable token is refused', async () => {
  assert.match((await startError({ token: 'short' })).message, /16 characters or more/);
  assert.match((await startError({}, { adminToken: 'short' })).message, /WELDR_ADMIN_TOKEN: a token has 16/);
});

test('flags and environment take precedence over the options', async () => {
  const side = await managerSide(adminApi({ listen: '127.0.0.1:1', token: 'another-token-than-that' }), {
    overrides: { adminListen: '127.0.0.1:0', adminToken: token },
  });
  const { call } = callsTo(addressOf(side));
  assert.is((await call('GET', '/servers', undefined, { authorization: `Bearer ${token}` })).status, 200);
  await side.close();
});

test('with a token, every path but the probes requires it', async () => {
  await withApi({ api: { token } }, async ({ call, side }) => {
    for (const authorization of [
      undefined,
      token,
      'Bearer',
      `Bearer ${token}x`,
      `Basic ${token}`,
      `Bearer ${token} x`,
    ]) {
      for (const [method, path] of [
        ['GET', '/'],
        ['GET', '/servers'],
        ['POST', '/servers'],
        ['POST', '/reload'],
        ['GET', '/nothing'],
        ['PUT', '/servers'],
        ['GET', '//healthz'],
        ['GET', '/healthz/../servers'],
        ['GET', '/readyz/'],
      ] as const) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await call(method, path, method === 'POST' ? server : undefined, headers);
        assert.is(answer.status, 401, `${method} ${path} with ${authorization}`);
        assert.is(answer.headers.get('www-authenticate'), 'Bearer');
      }
    }
    assert.is(side.pools.default.size, 0);
    assert.is((await call('GET', '/healthz')).status, 200);
    assert.is((await call('GET', '/readyz')).status, 503);
    const good = await call('POST', '/servers', server, { authorization: `bearer ${token}` });
    assert.is(good.status, 201, 'the scheme is case-insensitive');
  });
});

test('a page of another site can change nothing', async () => {
  await withApi({}, async ({ call, side, address }) => {
    const foreign: Record<string, string>[] = [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: `http://evil.example:${address.split(':')[1]}` },
      { origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'cross-site', origin: `http://${address}` },
    ];
    for (const headers of foreign) {
      const answer = await call('POST', '/servers', server, headers);
      assert.equal([answer.status, at(answer.body, 'code')], [403, 'FORBIDDEN'], JSON.stringify(headers));
    }
    assert.is(side.pools.default.size, 0);
    assert.is((await call('OPTIONS', '/servers')).headers.get('access-control-allow-origin'), null);
  });
});

test('a page of another site can change nothing with the token either', async () => {
  await withApi({ api: { token } }, async ({ call }) => {
    const headers = { authorization: `Bearer ${token}`, origin: 'http://evil.example' };
    assert.is((await call('POST', '/servers', server, headers)).status, 403);
  });
});

test('its own pages and tools are admitted', async () => {
  await withApi({}, async ({ call, address }) => {
    const own: Record<string, string>[] = [
      { origin: `http://${address}`, 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
      {},
    ];
    for (const headers of own) assert.is((await call('GET', '/servers', undefined, headers)).status, 200);
  });
});

test('a name that was rebound to this machine is refused', async () => {
  await withApi({ api: { hosts: ['weldr.internal'] } }, async ({ call }) => {
    for (const host of [
      'evil.example',
      'evil.example:8687',
      'localhost.evil.example',
      '192.0.2.1',
      '[2001:db8::1]:1',
    ]) {
      const answer = await call('GET', '/servers', undefined, { host });
      assert.is(answer.status, 403, host);
      assert.match(String(at(answer.body, 'detail')), /adminApi\(\{ hosts \}\)/);
    }
    for (const host of [
      'localhost',
      'LocalHost:1',
      '127.0.0.1',
      '127.1.2.3:99',
      '[::1]:8687',
      'weldr.internal:80',
      'localhost.',
    ]) {
      assert.is((await call('GET', '/servers', undefined, { host })).status, 200, host);
    }
  });
});

test('a call through a proxy is refused without a token, and admitted with it', async () => {
  const fields = [
    { via: '1.1 weldr' },
    { forwarded: 'for=192.0.2.1' },
    { 'x-forwarded-for': '192.0.2.1' },
    { 'X-Forwarded-Host': 'a.test' },
    { 'x-real-ip': '192.0.2.1' },
  ];
  await withApi({}, async ({ call }) => {
    for (const headers of fields) {
      for (const [method, path] of [
        ['GET', '/servers'],
        ['POST', '/servers'],
        ['GET', '/nothing'],
      ] as const) {
        const answer = await call(method, path, method === 'POST' ? server : undefined, headers);
        assert.is(answer.status, 403, `${method} ${path} with ${Object.keys(headers)}`);
        assert.match(answer.text, 'WELDR_ADMIN_TOKEN');
      }
      assert.is((await call('GET', '/healthz', undefined, headers)).status, 200);
    }
  });
  await withApi({ api: { token } }, async ({ call }) => {
    for (const headers of fields) {
      const authorization = `Bearer ${token}`;
      assert.is((await call('GET', '/servers', undefined, { ...headers, authorization })).status, 200);
    }
  });
});

test('each refused call is logged with its caller and path but no query, and many of them are counted', async () => {
  await withApi({ api: { token } }, async ({ call, side }) => {
    const refused = () => side.logs.filter(({ msg }) => msg.startsWith('refused'));
    await call('GET', '/servers?token=secret');
    await call('POST', '/servers', server, { authorization: 'Bearer wrong' });
    assert.equal(
      refused().map(({ method, path, status, from, level }) => [level, method, path, status, from]),
      [
        ['warn', 'GET', '/servers', 401, '127.0.0.1'],
        ['warn', 'POST', '/servers', 401, '127.0.0.1'],
      ],
    );
    assert.match(refused()[1]?.msg ?? '', 'the bearer token is wrong');
    for (let n = 0; n < 50; n++) await call(n % 2 === 0 ? 'GET' : 'DELETE', '/servers/x');
    assert.is(refused().length, 10);
    assert.not.match(JSON.stringify(side.logs), 'secret');
    side.clock.advance(10_000);
    assert.ok(side.logs.some(({ leftOut, msg }) => leftOut === 42 && msg.startsWith('42 more refusals')));
    assert.not.ok(
      side.logs.some(({ level, msg }) => level === 'info' && / 401$/.test(msg)),
      'it is logged only once',
    );
    await call('GET', '/servers');
    assert.is(refused().length, 11);
  });
});

test('loopback addresses are recognised, and no others', () => {
  const yes = ['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost'];
  const no = [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    '::2',
    '::ffff:10.0.0.1',
    'example.org',
    '127.0.0.1.example.org',
    '',
  ];
  assert.equal(yes.filter(isLoopback), yes);
  assert.equal(no.filter(isLoopback), []);
});
