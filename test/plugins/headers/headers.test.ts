// The headers plugin: which fields requests and responses leave with.
import * as assert from 'uvu/assert';
import { when } from '../../../core/plugin/when.ts';
import { reply } from '../../../core/request/reply.ts';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type HeadersOptions, headers } from '../../../plugins/headers/index.ts';
import { httpsRedirect } from '../../../plugins/https-redirect/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('headers');

const upstreams = ['http://a:1', 'http://b:1'];

async function run(options: HeadersOptions, request: RunOptions = {}): Promise<RunResult> {
  const side = await workerSide([headers(options), roundRobin(), retry()], { upstreams });
  return await side.run(request);
}

const answering = (fields: Record<string, string>, request: RunOptions = {}): RunOptions => ({
  ...request,
  answers: [{ status: 200, headers: fields }],
});

test('removes, sets and adds fields of requests, once for all attempts', async () => {
  const edits = {
    remove: ['X-Debug'],
    set: { 'X-Tenant': 'red', Host: 'inner.test' },
    add: { 'X-Hop': 'edge' },
  };
  const result = await run(
    { request: edits },
    {
      headers: [
        ['X-Debug', '1'],
        ['x-tenant', 'blue'],
        ['X-Tenant', 'green'],
        ['X-Hop', 'client'],
        ['X-Other', 'stays'],
      ],
      answers: ['CONNECT_FAILED', 200],
    },
  );
  assert.is(result.sent.length, 2);
  for (const { headers: sent } of result.sent) {
    assert.equal(
      ['x-debug', 'x-tenant', 'x-hop', 'x-other', 'host'].map(name => sent.getAll(name)),
      [[], ['red'], ['client', 'edge'], ['stays'], ['inner.test']],
    );
  }
});

test('removes every spelling of a field of clients that servers could read as the same', async () => {
  const spoofed = { X_Tenant: 'blue', 'X.Tenant': 'blue', x_debug: '1' };
  const edits = { set: { 'X-Tenant': 'red' }, remove: ['X-Debug'] };
  const [sent] = (await run({ request: edits }, { headers: spoofed })).sent;
  assert.equal(
    [...(sent?.headers ?? [])].filter(([name]) => /tenant|debug/i.test(name)),
    [['X-Tenant', 'red']],
  );
});

test('removes, sets and adds fields of responses, including those of other plugins and errors', async () => {
  const options: HeadersOptions = {
    response: { remove: ['Server'], set: { 'X-By': 'edge' }, add: { Link: ['</a>', '</b>'] } },
  };
  const of = ({ headers: list }: RunResult) => ['server', 'x-by', 'link'].map(name => list.getAll(name));
  const kept = await run(options, answering({ Server: 'x', 'X-By': 'y', Link: '</c>' }));
  assert.equal(of(kept), [[], ['edge'], ['</c>', '</a>', '</b>']]);
  const failed = await run(options, { answers: ['RESPONSE_TIMEOUT'], method: 'POST' });
  assert.equal([failed.status, ...of(failed)], [504, [], ['edge'], ['</a>', '</b>']]);
  const side = await workerSide([httpsRedirect(), headers(options)], { upstreams });
  const replied = await side.run();
  assert.equal([replied.status, ...of(replied)], [308, [], ['edge'], ['</a>', '</b>']]);
});

test('sends all fields of the preset, HSTS only over https://', async () => {
  const said = async (scheme: 'http' | 'https') =>
    Object.fromEntries((await run({ secure: true }, { scheme })).headers);
  const always = {
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'strict-origin-when-cross-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'X-Frame-Options': 'DENY',
    'Content-Security-Policy': "frame-ancestors 'none'",
  };
  assert.equal(await said('http'), always);
  assert.equal(await said('https'), { ...always, 'Strict-Transport-Security': 'max-age=31536000' });
});

test('keeps such fields of a server, unless override is set', async () => {
  const own = {
    'X-Content-Type-Options': 'none',
    'Referrer-Policy': 'origin',
    'Strict-Transport-Security': 'max-age=1',
    'Content-Security-Policy': "default-src 'self'",
  };
  const get = async (override: boolean) =>
    (await run({ secure: { override } }, answering(own, { scheme: 'https' }))).headers;
  const kept = await get(false);
  assert.equal(
    [kept.get('x-content-type-options'), kept.get('referrer-policy'), kept.get('strict-transport-security')],
    ['none', 'origin', 'max-age=1'],
  );
  assert.equal(kept.getAll('content-security-policy'), ["default-src 'self'", "frame-ancestors 'none'"]);
  const replaced = await get(true);
  assert.equal(
    [replaced.get('x-content-type-options'), replaced.getAll('strict-transport-security')],
    ['nosniff', ['max-age=31536000']],
  );
});

test('treats the two fields about frames as one', async () => {
  const of = async (fields: Record<string, string>, override = false) => {
    const { headers: list } = await run({ secure: { frames: 'sameorigin', override } }, answering(fields));
    return [list.getAll('x-frame-options'), list.getAll('content-security-policy')];
  };
  assert.equal(await of({}), [['SAMEORIGIN'], ["frame-ancestors 'self'"]]);
  assert.equal(await of({ 'X-Frame-Options': 'DENY' }), [['DENY'], []]);
  const policy = "default-src 'self'; Frame-Ancestors https://a.test";
  assert.equal(await of({ 'Content-Security-Policy': policy }), [[], [policy]]);
  const another = "img-src https://frame-ancestors.test; script-src 'self'";
  assert.equal(await of({ 'Content-Security-Policy': another }), [
    ['SAMEORIGIN'],
    [another, "frame-ancestors 'self'"],
  ]);
  const own = "frame-ancestors 'self'";
  assert.equal(await of({ 'X-Frame-Options': 'ALLOWALL' }, true), [['SAMEORIGIN'], [own]]);
  assert.equal(await of({ 'Content-Security-Policy': policy }, true), [
    ['SAMEORIGIN'],
    ["default-src 'self'", own],
  ]);
  assert.equal(await of({ 'Content-Security-Policy': 'frame-ancestors *, img-src a.test' }, true), [
    ['SAMEORIGIN'],
    ['img-src a.test', own],
  ]);
});

test('omits what is turned off, and sends a custom policy', async () => {
  const none = {
    frames: false,
    noSniff: false,
    referrerPolicy: false,
    permissionsPolicy: false,
    openerPolicy: false,
    hsts: false,
  } as const;
  assert.equal([...(await run({ secure: none }, { scheme: 'https' })).headers], []);
  assert.equal([...(await run({ secure: false }, { scheme: 'https' })).headers], []);
  const result = await run({
    secure: { ...none, contentSecurityPolicy: "default-src 'self'", frames: 'deny' },
  });
  assert.equal(result.headers.getAll('content-security-policy'), [
    "default-src 'self'",
    "frame-ancestors 'none'",
  ]);
});

test('applies only to the requests of its when, and adds up over scopes', async () => {
  const side = await workerSide(
    [
      headers({ response: { set: { 'X-By': 'config' }, add: { 'X-All': 'config' } } }),
      when({ path: '/a' }, headers({ response: { add: { 'X-A': '1' } } })),
      roundRobin(),
    ],
    { upstreams, pools: { default: [headers({ response: { set: { 'X-By': 'pool' } } })] } },
  );
  const a = await side.run({ target: '/%61/' });
  assert.equal(
    [a.headers.get('x-a'), a.headers.get('x-by'), a.headers.get('x-all')],
    ['1', 'config', 'config'],
  );
  assert.not((await side.run({ target: '/b' })).headers.has('x-a'));
});

test('edits a copy of a shared reply', async () => {
  const same = reply(200, 'x', { 'X-A': '1' });
  const side = await workerSide(
    [
      { name: 'same', worker: ({ hooks }) => hooks.request.tap('same', () => same) },
      headers({ response: { add: { 'X-A': '2' } } }),
    ],
    { upstreams },
  );
  for (let n = 0; n < 2; n++) assert.equal((await side.run()).headers.getAll('x-a'), ['1', '2']);
});

test('reads a value from the environment', async () => {
  process.env['WELDR_TEST_KEY'] = 'from-the-environment';
  const [sent] = (await run({ request: { set: { 'X-Key': 'env:WELDR_TEST_KEY' } } })).sent;
  delete process.env['WELDR_TEST_KEY'];
  assert.is(sent?.headers.get('x-key'), 'from-the-environment');
});

test('refuses options that cannot be sent or are invalid', async () => {
  for (const [options, field] of [
    [{ response: { set: { 'X A': '1' } } }, /plugins\[0\].response.set/],
    [{ response: { set: { 'X-A': 'b\r\nX-C: d' } } }, /plugins\[0\].response.set/],
    [{ response: { remove: ['Content-Length'] } }, /written by Weldr itself/],
    [{ request: { set: { Connection: 'x' } } }, /written by Weldr itself/],
    [{ request: { set: { 'X-A': 'b\nc' } } }, /plugins\[0\].request.set/],
    [{ request: { add: { Host: 'b' } } }, /one Host/],
    [{ request: { remove: ['host'] } }, /one Host/],
    [{ request: { set: { Host: 'a b' } } }, /not a host/],
    [{ secure: { hsts: { preload: true } } }, /preload/],
    [{ secure: { frames: 'all' } }, /frames/],
    [{ secured: true }, /secured/],
  ] as const) {
    const thrown = await run(options as object).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
    assert.match(thrown.message, field);
  }
});
