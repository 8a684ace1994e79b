// The cors plugin: which origins may ask, answers to preflights, and fields of responses.
import * as assert from 'uvu/assert';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type CorsOptions, cors } from '../../../plugins/cors/index.ts';
import { OriginList } from '../../../plugins/cors/origin-list.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('cors');

async function run(options: CorsOptions, request: RunOptions = {}): Promise<RunResult> {
  const side = await workerSide([cors(options), roundRobin(), retry()], { upstreams: ['http://a:1'] });
  return await side.run(request);
}

const shop = 'https://shop.test';
const from = (origin: string, fields: Record<string, string> = {}): RunOptions => ({
  headers: { Origin: origin, ...fields },
});
const preflight = (origin: string, fields: Record<string, string> = {}): RunOptions => ({
  method: 'OPTIONS',
  headers: { Origin: origin, 'Access-Control-Request-Method': 'PUT', ...fields },
});
/** The CORS fields of a response, and Vary. */
const said = ({ headers }: RunResult): Record<string, string> =>
  Object.fromEntries(
    [...headers]
      .filter(([name]) => /^access-control-|^vary$/i.test(name))
      .map(([name, value]) => [name.toLowerCase(), value]),
  );

test('answers a preflight itself, with everything that is allowed', async () => {
  const result = await run(
    {
      origins: [shop],
      methods: ['GET', 'PUT'],
      headers: ['Content-Type', 'X-Token'],
      exposeHeaders: ['X-Total'],
      credentials: true,
      maxAge: '1h',
    },
    preflight(shop),
  );
  assert.equal([result.status, result.attempts], [204, []]);
  assert.equal(said(result), {
    'access-control-max-age': '3600',
    'access-control-allow-methods': 'GET, PUT',
    'access-control-allow-headers': 'Content-Type, X-Token',
    vary: 'Origin',
    'access-control-allow-origin': shop,
    'access-control-allow-credentials': 'true',
  });
});

test('refuses a preflight of another origin, and reveals nothing', async () => {
  for (const origin of [
    'https://evil.test',
    'null',
    'http://shop.test',
    'https://shop.test:8443',
    `${shop}.evil.test`,
  ]) {
    const result = await run({ origins: [shop] }, preflight(origin));
    assert.equal([result.status, result.attempts.length, said(result)], [403, 0, { vary: 'Origin' }], origin);
  }
});

test('passes on an OPTIONS that is not a preflight', async () => {
  for (const fields of [{}, { Origin: shop }, { 'Access-Control-Request-Method': 'PUT' }]) {
    const result = await run(
      { origins: [shop] },
      { method: 'OPTIONS', headers: fields as Record<string, string> },
    );
    assert.is(result.attempts.length, 1);
  }
});

test('lets an allowed origin read, and sets Vary even without an origin', async () => {
  const options = { origins: [shop], exposeHeaders: ['X-Total', 'X-Page'] };
  assert.equal(said(await run(options, from(shop))), {
    vary: 'Origin',
    'access-control-allow-origin': shop,
    'access-control-expose-headers': 'X-Total, X-Page',
  });
  assert.equal(said(await run(options, from('https://evil.test'))), { vary: 'Origin' });
  assert.equal(said(await run(options)), { vary: 'Origin' });
});

test('keeps the values of Vary, and repeats none', async () => {
  for (const [known, wanted] of [
    ['Accept-Encoding', ['Accept-Encoding', 'Origin']],
    ['accept, ORIGIN', ['accept, ORIGIN']],
    ['*', ['*']],
  ] as const) {
    const answers = [{ status: 200, headers: { Vary: known } }];
    assert.equal((await run({ origins: [shop] }, { ...from(shop), answers })).headers.getAll('vary'), wanted);
  }
});

test('sends * on every response and no Vary where all origins may ask, so that any page may get it from a cache', async () => {
  const options = { origins: ['*'], exposeHeaders: ['X-Total'] };
  const always = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'X-Total' };
  assert.equal(said(await run(options, from('null'))), always);
  assert.equal(said(await run(options)), always);
});

test('replaces the CORS fields of a server', async () => {
  const own = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': 'Set-Cookie',
    'Access-Control-Allow-Private-Network': 'true',
  };
  const answers = [{ status: 200, headers: own }];
  assert.equal(said(await run({ origins: [shop] }, { ...from('https://evil.test'), answers })), {
    vary: 'Origin',
  });
  assert.equal(said(await run({ origins: [shop] }, { ...from(shop), answers })), {
    vary: 'Origin',
    'access-control-allow-origin': shop,
  });
});

test('lets a page read errors and refusals, with each field once after any number of attempts', async () => {
  const failed = await run({ origins: [shop] }, { ...from(shop), answers: ['CONNECT_FAILED'] });
  assert.equal([failed.status, failed.headers.getAll('access-control-allow-origin')], [502, [shop]]);
  const own = { status: 200, headers: { 'Access-Control-Allow-Origin': '*' } };
  const again = await run({ origins: [shop] }, { ...from(shop), answers: ['CONNECT_FAILED', own] });
  assert.equal(again.headers.getAll('access-control-allow-origin'), [shop]);
});

test('does not allow a request with two origins', async () => {
  const headers: [string, string][] = [
    ['Origin', shop],
    ['Origin', 'https://evil.test'],
  ];
  assert.equal(said(await run({ origins: [shop] }, { headers })), { vary: 'Origin' });
  const asked: [string, string][] = [...headers, ['Access-Control-Request-Method', 'PUT']];
  assert.is((await run({ origins: [shop] }, { method: 'OPTIONS', headers: asked })).status, 403);
});

test('allows any requested fields, if configured, but no invalid names', async () => {
  const options = { origins: [shop], headers: '*' as const, credentials: true };
  const asked = { 'Access-Control-Request-Headers': 'authorization, x-a,, bad name,x-b' };
  const result = await run(options, preflight(shop, asked));
  assert.is(result.headers.get('access-control-allow-headers'), 'authorization, x-a, x-b');
  assert.equal(result.headers.getAll('vary'), ['Access-Control-Request-Headers', 'Origin']);
  assert.not((await run(options, preflight(shop))).headers.has('access-control-allow-headers'));
});

test('lets pages of the internet into a private network only if configured', async () => {
  const asked = { 'Access-Control-Request-Private-Network': 'true' };
  const name = 'access-control-allow-private-network';
  assert.not((await run({ origins: [shop] }, preflight(shop, asked))).headers.has(name));
  const open = { origins: [shop], privateNetwork: true };
  assert.is((await run(open, preflight(shop, asked))).headers.get(name), 'true');
  assert.not((await run(open, preflight(shop))).headers.has(name));
});

test('matches origins by exact text, by names below one, and by expressions for the whole', () => {
  const list = new OriginList([
    'HTTPS://Shop.test:443',
    'http://127.0.0.1:3000',
    'https://*.cdn.test',
    'https://*.dev.test:8443',
    '/https://[a-z]+\\.re\\.test/',
    'capacitor://localhost',
    'http://[::1]:80',
  ]);
  for (const origin of [
    'https://shop.test',
    'http://127.0.0.1:3000',
    'https://a.cdn.test',
    'https://a.b.cdn.test',
    'https://x.dev.test:8443',
    'https://abc.re.test',
    'capacitor://localhost',
    'http://[::1]',
  ]) {
    assert.ok(list.has(origin), origin);
  }
  for (const origin of [
    'https://shop.test:443',
    'https://shop.test.',
    'https://shop.test/',
    'https://cdn.test',
    'https://evilcdn.test',
    'https://.cdn.test',
    'https://a.cdn.test:8443',
    'https://evil.test/.cdn.test',
    'https://evil.test#.cdn.test',
    'https://evil.test:1.cdn.test',
    'https://u@a.cdn.test',
    'http://a.cdn.test',
    'https://a.cdn.test.evil.test',
    'https://x.dev.test',
    'https://abc.re.test.evil.test',
    'xhttps://abc.re.test',
    'https://abc.re.test\n',
    'null',
    '',
    `https://${'a.'.repeat(200)}cdn.test`,
  ]) {
    assert.not.ok(list.has(origin), origin);
  }
  assert.ok(new OriginList(['null']).has('null'));
  assert.not.ok(new OriginList(['/.*/']).has('null'));
});

test('takes a regular expression object, without its state', async () => {
  const options = { origins: [/https:\/\/A\d\.test/gi] };
  for (let n = 0; n < 3; n++)
    assert.is(
      (await run(options, from('https://a1.test'))).headers.get('access-control-allow-origin'),
      'https://a1.test',
    );
});

test('refuses invalid options', async () => {
  for (const [options, text] of [
    [{}, /origins/],
    [{ origins: [] }, /origins/],
    [{ origins: ['shop.test'] }, /expected an origin such as/],
    [{ origins: ['https://shop.test/'] }, /write "https:\/\/shop.test"/],
    [{ origins: ['https://*'] }, /expected an origin/],
    [{ origins: ['https://a.*.test'] }, /expected an origin/],
    [{ origins: ['/(/'] }, /origins\[0\]/],
    [{ origins: [5] }, /origins\[0\]/],
    [{ origins: [shop, '*'], credentials: true }, /origins\[1\].*name the origins/],
    [{ origins: ['null'], credentials: true }, /origins\[0\]/],
    [{ origins: [shop], methods: ['GET,PUT'] }, /methods\[0\]/],
    [{ origins: [shop], headers: ['a b'] }, /headers/],
  ] as const) {
    const thrown = await run(options as unknown as CorsOptions).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
    assert.match(thrown.message, text);
  }
});
