// The sticky-cookie plugin: where clients return, what the cookie says and when it is set, what it cannot bypass.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { upstreamRecord, workerSide } from '../../../core/testing.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { type StickyCookieOptions, stickyCookie } from '../../../plugins/sticky-cookie/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('sticky-cookie');

const secret = 'a secret of some length';
const upstreams = ['http://a:1', 'http://b:1', 'http://c:1'];

type Side = Awaited<ReturnType<typeof workerSide>>;

function started(
  options: Partial<StickyCookieOptions> = {},
  extra: Parameters<typeof workerSide>[1] = {},
): Promise<Side> {
  return workerSide([stickyCookie({ secret, ...options }), roundRobin()], { upstreams, ...extra });
}

/** The first request of a client: its cookie as the client sends it back, the whole field, and its upstream. */
async function meet(side: Side, request: Parameters<Side['run']>[0] = {}) {
  const { headers, upstream } = await side.run(request);
  const field = headers.get('set-cookie') ?? '';
  return { field, cookie: field.split(';')[0] ?? '', id: upstream?.id };
}

const from = (cookie: string) => ({ headers: { Cookie: `theme=dark; ${cookie}` } });

test('brings a client back to its upstream, whatever the balancer would choose', async () => {
  const side = await started();
  const { cookie, id } = await meet(side);
  for (let n = 0; n < 10; n++) {
    const { upstream, headers } = await side.run(from(cookie));
    assert.is(upstream?.id, id);
    assert.is(headers.get('set-cookie'), undefined);
  }
  await side.close();
});

test('works before the balancer or after it', async () => {
  const side = await workerSide([roundRobin(), stickyCookie({ secret })], { upstreams });
  const { cookie, id } = await meet(side);
  for (let n = 0; n < 5; n++) assert.is((await side.run(from(cookie))).upstream?.id, id);
  await side.close();
});

test('is accepted by other workers, after a restart, and when an upstream comes back', async () => {
  const side = await started();
  const { cookie, id = '' } = await meet(side);
  const other = await started({}, { id: 2 });
  assert.is((await other.run(from(cookie))).upstream?.id, id);
  other.pools.default.delete(id);
  assert.is.not((await other.run(from(cookie))).upstream?.id, id);
  other.pools.default.set(upstreamRecord(id));
  assert.is((await other.run(from(cookie))).upstream?.id, id);
  await side.close();
  await other.close();
});

test('chooses another upstream when the first is down or gone, notes it, and brings the client back there', async () => {
  const side = await started();
  const { cookie, id = '' } = await meet(side);
  side.pools.default.set(upstreamRecord({ url: id, state: 'down' }));
  const moved = await side.run(from(cookie));
  assert.is.not(moved.upstream?.id, id);
  assert.match(moved.notes.join(), /is down, another one is chosen/);
  const next = moved.headers.get('set-cookie')?.split(';')[0] ?? '';
  side.pools.default.set(upstreamRecord(id));
  assert.is((await side.run(from(next))).upstream, moved.upstream);
  side.pools.default.delete(id);
  assert.match((await side.run(from(cookie))).notes.join(), /names no server of pool default/);
  await side.close();
});

test('ignores forged cookies', async () => {
  const side = await started();
  const chosen = new Set<string | undefined>();
  for (let n = 0; n < 6; n++) chosen.add((await side.run(from('weldr=http://a:1'))).upstream?.id);
  assert.is(chosen.size, 3);
  const elsewhere = await started({ secret: 'another secret of length' });
  const { cookie } = await meet(elsewhere);
  assert.match((await side.run(from(cookie))).notes.join(), /names no server/);
  await side.close();
  await elsewhere.close();
});

test('accepts cookies of the previous secret', async () => {
  const old = await started({ secret: 'the secret of last year' });
  const { cookie, id } = await meet(old);
  const side = await started({ secret: [secret, 'the secret of last year'] });
  assert.is((await side.run(from(cookie))).upstream?.id, id);
  await old.close();
  await side.close();
});

test('reveals no more than needed, and is HttpOnly', async () => {
  const side = await started();
  const { field } = await meet(side);
  assert.match(field, /^weldr=[\w-]{22}; Path=\/; HttpOnly; SameSite=Lax$/);
  const secure = await meet(side, { scheme: 'https' });
  assert.match(secure.field, /; Secure$/);
  await side.close();
  const long = await started({
    name: 'lb',
    ttl: '1h',
    path: '/app',
    domain: 'example.com',
    secure: true,
    sameSite: 'strict',
  });
  const { field: all, cookie } = await meet(long);
  assert.match(
    all,
    /^lb=[\w-]{22}; Path=\/app; Domain=example\.com; Max-Age=3600; HttpOnly; SameSite=Strict; Secure$/,
  );
  // It lasts from the latest response.
  assert.match((await long.run(from(cookie))).headers.get('set-cookie') ?? '', /Max-Age=3600/);
  await long.close();
});

test('starts with a cookie of the application, if configured', async () => {
  const side = await started({ appCookie: 'SESSION' });
  assert.is((await meet(side)).field, '');
  const answers = [{ status: 200, headers: { 'Set-Cookie': 'SESSION=1; Path=/' } }];
  const { headers, upstream } = await side.run({ answers });
  const [session, own = ''] = headers.getAll('set-cookie');
  assert.is(session, 'SESSION=1; Path=/');
  assert.is((await side.run(from(own.split(';')[0] ?? ''))).upstream, upstream);
  await side.close();
});

test('keeps pools separate by the name of the cookie', async () => {
  const side = await workerSide([stickyCookie({ secret }), roundRobin()], {
    upstreams: { default: upstreams, api: upstreams },
  });
  const { field } = await meet(side, { pool: 'api' });
  assert.match(field, /^weldr-api=/);
  await side.close();
});

test('sets no cookie on a response that is not from an upstream', async () => {
  const side = await started();
  assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).headers.get('set-cookie'), undefined);
  await side.close();
});

test('cannot bypass what makes upstreams ineligible for a request', async () => {
  const picky: Plugin = {
    name: 'picky',
    worker({ hooks }) {
      hooks.eligible.tap('picky', (_ctx, upstream) => (upstream.id === 'http://a:1' ? false : undefined));
    },
  };
  const plain = await started();
  let cookie = '';
  while (cookie === '') {
    const met = await meet(plain);
    if (met.id === 'http://a:1') cookie = met.cookie;
  }
  const side = await workerSide([stickyCookie({ secret }), roundRobin(), picky], { upstreams });
  for (let n = 0; n < 5; n++) assert.is.not((await side.run(from(cookie))).upstream?.id, 'http://a:1');
  await side.close();
  await plain.close();
});

test('retries elsewhere when its upstream has failed', async () => {
  const side = await workerSide([stickyCookie({ secret }), roundRobin(), retry()], { upstreams });
  const { cookie, id } = await meet(side);
  const { attempts, status } = await side.run({ ...from(cookie), answers: ['CONNECT_FAILED', 200] });
  assert.is(status, 200);
  assert.is(attempts[0]?.id, id);
  assert.is.not(attempts[1]?.id, id);
  await side.close();
});

test('refuses a short secret, and a cookie that browsers refuse', async () => {
  const short = await workerSide(stickyCookie({ secret: 'short' }), { upstreams }).catch(error => error);
  assert.is(short.field, 'plugins[0].secret');
  assert.match(short.message, /16 characters/);
  const none = await started({ sameSite: 'none', secure: false }).catch(error => error);
  assert.is(none.field, 'plugins[0].secure');
});

test('waits for a full upstream, because the session is there', async () => {
  const servers = upstreams.map(url => ({ url, maxConnections: 1 }));
  const side = await started({}, { upstreams: servers, vantage: {} });
  const { cookie, id } = await meet(side);
  side.pools.default.get(id ?? '')?.begin();
  for (let n = 0; n < 4; n++) {
    assert.is((await side.run(from(cookie))).upstream?.id, id);
    assert.is.not((await side.run()).upstream?.id, id);
  }
  await side.close();
});

test('leads to an active upstream that this Weldr leaves to others', async () => {
  const servers = upstreams.map((url, n) => ({ url, zone: `z${n}` }));
  const other = await started({}, { upstreams: servers, vantage: { zone: 'z0' } });
  const { cookie, id = '' } = await meet(other);
  assert.is(id, upstreams[0]);
  const side = await started({}, { upstreams: servers, vantage: { zone: 'z1' } });
  assert.is((await side.run()).upstream?.id, upstreams[1]);
  assert.is((await side.run(from(cookie))).upstream?.id, id);
  side.pools.default.set(upstreamRecord({ url: id, zone: 'z0', state: 'down' }));
  assert.is((await side.run(from(cookie))).upstream?.id, upstreams[1]);
  await other.close();
  await side.close();
});
