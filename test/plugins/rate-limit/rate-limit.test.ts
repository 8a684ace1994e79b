// The rate-limit plugin in one worker: which requests are counted together, and what refusals and responses say.
import * as assert from 'uvu/assert';
import { addressKey } from '../../../core/network/address-key.ts';
import { withId } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type RateLimitOptions, rateLimit } from '../../../plugins/rate-limit/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('rate-limit');

const upstreams = ['http://a:1', 'http://b:1'];

test('lets a burst through, then the rate', async () => {
  const side = await workerSide([rateLimit({ rate: 2, burst: 5 }), roundRobin()], { upstreams });
  const statuses = async (count: number) => {
    const list: number[] = [];
    for (let n = 0; n < count; n++) list.push((await side.run()).status);
    return list;
  };
  assert.equal(await statuses(7), [200, 200, 200, 200, 200, 429, 429]);
  side.clock.advance(499);
  assert.equal(await statuses(1), [429]);
  side.clock.advance(1);
  assert.equal(await statuses(2), [200, 429]);
  side.clock.advance(60_000);
  assert.equal(await statuses(6), [200, 200, 200, 200, 200, 429]);
});

test('replies 429 with the time to retry, and chooses no upstream', async () => {
  const side = await workerSide([rateLimit({ rate: 0.1, burst: 1 }), roundRobin()], { upstreams });
  await side.run();
  const refused = await side.run();
  assert.is(refused.status, 429);
  assert.is(refused.headers.get('retry-after'), '10');
  assert.is(refused.upstream, undefined);
  side.clock.advance(9_500);
  assert.is((await side.run()).headers.get('retry-after'), '1');
});

test('counts clients separately, and no retries', async () => {
  const side = await workerSide([rateLimit({ rate: 1 }), roundRobin(), retry()], { upstreams });
  assert.is((await side.run({ clientIp: '192.0.2.1', answers: ['CONNECT_FAILED', 200] })).status, 200);
  assert.is((await side.run({ clientIp: '192.0.2.1' })).status, 429);
  assert.is((await side.run({ clientIp: '192.0.2.2' })).status, 200);
});

test('counts an IPv6 client by its /64', () => {
  const same = [
    '2001:db8:1:2::1',
    '2001:db8:1:2:3:4:5:6',
    '2001:0DB8:0001:0002::',
    '2001:db8:1:2:ffff::192:1',
  ];
  assert.is(new Set(same.map(ip => addressKey(ip))).size, 1);
  assert.is(addressKey('2001:db8:1:3::1'), '2001:db8:1:3::/64');
  assert.is(addressKey('::1'), '0:0:0:0::/64');
  assert.is(addressKey('2001:db8::5'), '2001:db8:0:0::/64');
  assert.is(addressKey('fe80::1%eth0'), 'fe80:0:0:0::/64');
  assert.is(addressKey('1::'), '1:0:0:0::/64');
});

test('counts an IPv4 client by its address, however it is written', () => {
  assert.is(addressKey('192.0.2.7'), '192.0.2.7');
  assert.is(addressKey('::ffff:192.0.2.7'), '192.0.2.7');
});

test('counts an IPv6 client by a network of another size, if configured', async () => {
  assert.is(addressKey('2001:db8:1:2ff::1', 56), '2001:db8:1:200::/56');
  assert.is(addressKey('2001:db8:1:2ff::1', 48), '2001:db8:1::/48');
  assert.is(addressKey('2001:db8::1', 128), '2001:db8:0:0:0:0:0:1::/128');
  const side = await workerSide([rateLimit({ rate: 1, ipv6Prefix: 48 }), roundRobin()], { upstreams });
  assert.is((await side.run({ clientIp: '2001:db8:1:2::1' })).status, 200);
  assert.is((await side.run({ clientIp: '2001:db8:1:3::1' })).status, 429);
  assert.is((await side.run({ clientIp: '2001:db8:2::1' })).status, 200);
});

/** The statuses of requests, one after another. */
async function statusesOf(plugins: readonly Plugin[], requests: readonly RunOptions[]): Promise<number[]> {
  const side = await workerSide([...plugins, roundRobin()], { upstreams });
  const statuses: number[] = [];
  for (const request of requests) statuses.push((await side.run(request)).status);
  await side.close();
  return statuses;
}

test('counts by a header, a cookie or a parameter, or by the address when a request has none or several', async () => {
  const kinds: [RateLimitOptions['by'], (value: string) => RunOptions, RunOptions][] = [
    [
      { header: 'X-Api-Key' },
      value => ({ headers: { 'x-api-key': value } }),
      {
        headers: [
          ['X-Api-Key', 'c'],
          ['X-Api-Key', 'd'],
        ],
      },
    ],
    [
      { cookie: 'id' },
      value => ({ headers: { Cookie: `x=y; id=${value}` } }),
      { headers: { Cookie: 'id=c; id=d' } },
    ],
    [{ query: 'key' }, value => ({ target: `/?x=1&key=${value}` }), { target: '/?key=c&key=d' }],
  ];
  for (const [by, with_, withTwo] of kinds) {
    const many = with_('k'.repeat(200));
    const requests = [with_('a'), with_('a'), with_('b'), many, many, {}, {}, withTwo, with_('')];
    assert.equal(
      await statusesOf([rateLimit({ rate: 1, by })], requests),
      [200, 429, 200, 200, 429, 200, 429, 429, 429],
      JSON.stringify(by),
    );
  }
});

test('reads a header in any case, and in each spelling that a CGI server treats as the same', async () => {
  const of = (...headers: [string, string][]): RunOptions => ({ headers });
  const requests = [
    of(['x-API-key', 'a']),
    of(['X_Api_Key', 'a']),
    of(['X.Api-Key', 'b']),
    // Two values: counted by the address.
    of(['X-Api-Key', 'c'], ['X_Api_Key', 'd']),
    of(['X-Api-Key', 'd'], ['X_Api_Key', 'c']),
    of(['X-Api-Key', 'd']),
  ];
  for (const header of ['X-Api-Key', 'x_api_KEY'])
    assert.equal(
      await statusesOf([rateLimit({ rate: 1, by: { header } })], requests),
      [200, 429, 200, 200, 429, 200],
      header,
    );
});

test('does not confuse the value of a header with an address', async () => {
  const by = { header: 'X-Api-Key' };
  const requests = [{}, { headers: { 'X-Api-Key': '192.0.2.1' } }];
  assert.equal(await statusesOf([rateLimit({ rate: 1, by })], requests), [200, 200]);
});

test('counts by the result of a function, and skips requests for which it returns nothing', async () => {
  const key = (ctx: ProxyContext) => (ctx.request.path === '/free' ? undefined : ctx.request.method);
  const requests = [{}, {}, { method: 'POST' }, { target: '/free' }, { target: '/free' }];
  assert.equal(await statusesOf([rateLimit({ rate: 1, key })], requests), [200, 429, 200, 200, 200]);
  const wrong = rateLimit({ rate: 1, key: () => 5 as unknown as string });
  assert.equal(await statusesOf([wrong], [{}]), [500]);
});

test('limits over a configured time', async () => {
  const side = await workerSide([rateLimit({ rate: 2, per: '1m' }), roundRobin()], { upstreams });
  const statuses = [await side.run(), await side.run(), await side.run()].map(({ status }) => status);
  assert.equal(statuses, [200, 200, 429]);
  assert.is((await side.run()).headers.get('retry-after'), '30');
  side.clock.advance(30_000);
  assert.is((await side.run()).status, 200);
});

test('sends what is left in the draft’s fields and the older ones, refused or not', async () => {
  const side = await workerSide([rateLimit({ rate: 2, burst: 4, fields: 'both', policy: 'api' })], {
    upstreams,
  });
  const fieldsOf = ({ headers }: RunResult) =>
    ['RateLimit-Policy', 'RateLimit', 'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'].map(
      name => headers.get(name),
    );
  assert.equal(fieldsOf(await side.run()), ['"api";q=4;w=2', '"api";r=3;t=1', '4', '3', '1']);
  for (let n = 0; n < 3; n++) await side.run();
  assert.equal(fieldsOf(await side.run()), ['"api";q=4;w=2', '"api";r=0;t=2', '4', '0', '2']);
});

test('can be listed several times: the tightest refuses, and responses show all', async () => {
  const plugins = [
    rateLimit({ rate: 1, burst: 9, fields: 'both', policy: 'long' }),
    withId('short', rateLimit({ rate: 2, burst: 2, fields: 'both', policy: 'short' })),
  ];
  const side = await workerSide([...plugins, roundRobin()], { upstreams });
  const { headers } = await side.run();
  assert.equal(headers.getAll('RateLimit'), ['"long";r=8;t=1', '"short";r=1;t=1']);
  assert.is(headers.get('X-RateLimit-Remaining'), '1');
  assert.equal([(await side.run()).status, (await side.run()).status], [200, 429]);
});

test('passes every request in a dry run, and notes those that it would have refused', async () => {
  const side = await workerSide([rateLimit({ rate: 1, dryRun: true }), roundRobin()], { upstreams });
  await side.run();
  const { status, notes } = await side.run();
  assert.equal([status, notes], [200, ['rate-limit: would be refused']]);
});

test('does not count requests that are only explained', async () => {
  const requests = [{ rehearsal: true }, { rehearsal: true }, {}, {}];
  assert.equal(await statusesOf([rateLimit({ rate: 1 })], requests), [200, 200, 200, 429]);
});

test('counts clients without an address as one', async () => {
  assert.is(addressKey('unix:'), 'unix:');
  const side = await workerSide([rateLimit({ rate: 1, burst: 2 }), roundRobin()], { upstreams });
  const statuses: number[] = [];
  for (let n = 0; n < 3; n++) statuses.push((await side.run({ clientIp: 'unix:' })).status);
  assert.equal(statuses, [200, 200, 429]);
});

test('refuses invalid options', async () => {
  for (const options of [
    { rate: 0 },
    { burst: 0 },
    { clients: 1 },
    { limit: 5 },
    { per: 0 },
    { ipv6Prefix: 8 },
    { by: { header: 'a b' } },
    { by: { header: 'a', cookie: 'b' } },
    { by: 'address' },
    { key: 'client' },
    { key: () => 'a', by: { cookie: 'b' } },
    { fields: 'draft', policy: 'a"b' },
  ]) {
    const thrown = await workerSide(rateLimit(options as object)).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
  }
});
