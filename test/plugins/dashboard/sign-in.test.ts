// dashboard: how browsers sign in, what a session may do and how it ends, and what is refused.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { FakeClock, managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type AdminApiOptions, adminApi } from '../../../plugins/admin-api/index.ts';
import { type DashboardOptions, dashboard } from '../../../plugins/dashboard/index.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { type Answer, addressOf, callsTo } from '../admin-api/api.ts';
import { follow } from '../admin-api/event-client.ts';

const test = suite('dashboard sign-in');

const token = 'correct-horse-battery-staple';
const readToken = 'only-for-those-who-look';
const server = { url: 'http://127.0.0.1:12345' };
const ofPage = { 'sec-fetch-site': 'same-origin', 'weldr-page': '1' };
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

interface Page {
  readonly side: TestManagerSide;
  readonly clock: FakeClock;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Signs in; the headers of calls that the page then makes. */
  signIn(token: string): Promise<Record<string, string>>;
}

interface PageOptions {
  readonly api?: AdminApiOptions;
  readonly page?: DashboardOptions;
  readonly previous?: TestManagerSide;
}

async function startPage({
  api = { token, readToken },
  page = {},
  previous,
}: PageOptions = {}): Promise<Page> {
  const clock = previous?.clock ?? new FakeClock();
  const plugins = [adminApi({ listen: '127.0.0.1:0', ...api }), dashboard(page)];
  const side = await managerSide(plugins, { clock, ...(previous !== undefined && { previous }) });
  const { call } = callsTo(addressOf(side));
  const signIn = async (given: string): Promise<Record<string, string>> => {
    const answer = await call('POST', '/ui/api/session', { token: given }, ofPage);
    assert.is(answer.status, 200, answer.text);
    return { ...ofPage, cookie: (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '' };
  };
  return { side, clock, call, signIn };
}

async function withPage(options: PageOptions, body: (page: Page) => Promise<void>): Promise<void> {
  const page = await startPage(options);
  try {
    await body(page);
  } finally {
    await page.side.close();
  }
}

async function statusOf(page: Page, headers: Record<string, string>): Promise<number> {
  return (await page.call('GET', '/ui/api/servers', undefined, headers)).status;
}

test('a browser that opens / is sent to the page, and curl gets JSON', async () => {
  await withPage({ api: {} }, async ({ call }) => {
    const led = await call('GET', '/', undefined, html);
    assert.equal([led.status, led.headers.get('location')], [303, '/ui/']);
    assert.is((await call('GET', '/ui', undefined, html)).headers.get('location'), '/ui/');
    const told = await call('GET', '/', undefined, { accept: '*/*' });
    assert.is(told.status, 200);
    assert.match(told.text, '{"rel":"dashboard","href":"/ui/","method":"GET"}');
  });
});

test('the page needs no token, cannot be framed and runs only its own files', async () => {
  await withPage({}, async ({ call }) => {
    const page = await call('GET', '/ui/', undefined, { ...html, 'sec-fetch-site': 'cross-site' });
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.match(policy, "frame-ancestors 'none'");
    assert.not.match(policy, 'unsafe');
    assert.is(page.headers.get('x-frame-options'), 'DENY');
    assert.is(page.headers.get('x-content-type-options'), 'nosniff');
    assert.is(page.headers.get('cache-control'), 'no-store');
    for (const path of [
      '/ui/../servers',
      '/ui/api/../../servers',
      '/ui/%2e%2e/servers',
      '/ui/assets/../../package.json',
    ])
      assert.is((await call('GET', path, undefined, html)).status, 401, path);
  });
});

test('signing in sets a cookie that scripts cannot read and that is sent to the page only', async () => {
  await withPage({}, async ({ call, side }) => {
    const answer = await call('POST', '/ui/api/session', { token }, ofPage);
    const port = addressOf(side).split(':')[1];
    const cookie = answer.headers.get('set-cookie') ?? '';
    assert.match(cookie, new RegExp(`^weldr-${port}=[\\w-]{43}; Path=/ui/; HttpOnly; SameSite=Strict$`));
    assert.not.match(answer.text, token);
  });
});

test('a session can call what the token can, under /ui/api/ only', async () => {
  await withPage({}, async ({ call, signIn, side }) => {
    assert.is((await call('GET', '/ui/api/servers', undefined, ofPage)).status, 401);
    const headers = await signIn(token);
    assert.is((await call('GET', '/ui/api/servers', undefined, headers)).status, 200);
    assert.is((await call('POST', '/ui/api/servers', server, headers)).status, 201);
    assert.is((await call('GET', '/servers', undefined, headers)).status, 401);
    const { body } = await call('GET', '/ui/api/session', undefined, headers);
    assert.match(JSON.stringify(body), '"signedIn":true,"withToken":true,"role":"operator"');
    const line = side.logs.find(({ msg }) => msg === 'POST /servers 201');
    assert.is(line?.['by'], '127.0.0.1 with the token on the dashboard');
  });
});

test('another page cannot make the browser change anything', async () => {
  await withPage({}, async ({ call, signIn }) => {
    const { cookie = '' } = await signIn(token);
    const { host } = new URL(`http://${cookie.slice(6, 11)}`);
    for (const headers of [
      { cookie },
      { cookie, 'weldr-page': '1' },
      { cookie, 'sec-fetch-site': 'same-origin' },
      { cookie, 'weldr-page': '1', 'sec-fetch-site': 'none' },
      { cookie, 'weldr-page': '1', 'sec-fetch-site': 'same-site' },
      { cookie, 'weldr-page': '1', 'sec-fetch-site': 'cross-site' },
      { cookie, 'weldr-page': '1', origin: 'http://evil.example' },
      { cookie, 'weldr-page': '1', origin: `http://${host}.evil.example` },
      { cookie, 'weldr-page': '1', origin: 'null' },
    ] as Record<string, string>[]) {
      const answer = await call('POST', '/ui/api/servers', server, headers);
      assert.is(answer.status, 403, JSON.stringify(headers));
    }
    const login = await call('POST', '/ui/api/session', { token }, { 'content-type': 'text/plain' });
    assert.equal([login.status, login.headers.get('set-cookie')], [403, null]);
  });
});

test('a browser that sends only the origin is believed', async () => {
  await withPage({}, async ({ call, signIn, side }) => {
    const { cookie = '' } = await signIn(token);
    const headers = { cookie, 'weldr-page': '1', host: addressOf(side), origin: `http://${addressOf(side)}` };
    assert.is((await call('POST', '/ui/api/servers', server, headers)).status, 201);
  });
});

test('wrong tokens have to wait longer each time, until a right one', async () => {
  await withPage({}, async ({ call, clock }) => {
    const attempt = (given: string): Promise<Answer> =>
      call('POST', '/ui/api/session', { token: given }, ofPage);
    for (let i = 0; i < 5; i++) assert.is((await attempt(`wrong-${i}`)).status, 401);
    for (const seconds of [1, 2, 4, 8]) {
      const answer = await attempt(token);
      assert.equal([answer.status, answer.headers.get('retry-after')], [429, String(seconds)]);
      await clock.advance(seconds * 1000);
      assert.is((await attempt('wrong-again')).status, 401);
    }
    await clock.advance(60_000);
    assert.is((await attempt(token)).status, 200);
    assert.is((await attempt('wrong')).status, 401);
  });
});

test('a session ends when it is idle, after its time, and by signing out', async () => {
  await withPage({ page: { idle: '10m', session: '1h' } }, async page => {
    const { clock, signIn, call } = page;
    let headers = await signIn(token);
    await clock.advance(10 * 60_000);
    assert.is(await statusOf(page, headers), 401, 'idle');
    headers = await signIn(token);
    for (let i = 0; i < 6; i++) {
      assert.is(await statusOf(page, headers), 200);
      await clock.advance(9.99 * 60_000);
    }
    await clock.advance(10_000);
    assert.is(await statusOf(page, headers), 401, 'its time is over');
    headers = await signIn(token);
    const out = await call('DELETE', '/ui/api/session', undefined, headers);
    assert.match(out.headers.get('set-cookie') ?? '', /^weldr-\d+=; Path=\/ui\/;.*Max-Age=0$/);
    assert.is(await statusOf(page, headers), 401, 'signed out');
    assert.is((await call('GET', '/ui/api/session', undefined, headers)).text, '{"signedIn":false}\n');
  });
});

test('an open page is in use, and its stream ends with the session', async () => {
  await withPage({ page: { idle: '10m', session: '1h' } }, async page => {
    const { side, clock, signIn, call } = page;
    const headers = await signIn(token);
    const stream = await follow(addressOf(side), '/ui/api/events', headers);
    assert.is(stream.status, 200);
    for (let i = 0; i < 48; i++) await clock.advance(15_000);
    assert.is(await statusOf(page, headers), 200, 'after 12 minutes');
    await call('DELETE', '/ui/api/session', undefined, headers);
    await clock.advance(15_000);
    await until('the stream has ended', () => stream.ended);
    assert.is((await follow(addressOf(side), '/ui/api/events', headers)).status, 401);
  });
});

test('a session survives a reload, but not a change of the token', async () => {
  const first = await startPage();
  const headers = await first.signIn(token);
  const port = addressOf(first.side).split(':')[1];
  await first.side.close();
  const listen = `127.0.0.1:${port}`;
  const second = await startPage({ api: { listen, token, readToken }, previous: first.side });
  assert.is(await statusOf(second, headers), 200);
  await second.side.close();
  const third = await startPage({ api: { listen, token: `${token}!` }, previous: second.side });
  assert.is(await statusOf(third, headers), 401);
  await third.side.close();
});

test('the second token allows reading, and no changes', async () => {
  await withPage({}, async ({ call, signIn }) => {
    const bearer = { authorization: `Bearer ${readToken}` };
    const cookie = await signIn(readToken);
    for (const [prefix, headers] of [
      ['', bearer],
      ['/ui/api', cookie],
    ] as const) {
      assert.is((await call('GET', `${prefix}/servers`, undefined, headers)).status, 200);
      assert.is((await call('GET', `${prefix}/pool/export`, undefined, headers)).status, 200);
      assert.is((await call('GET', `${prefix}/pool/export?secrets`, undefined, headers)).status, 403);
      for (const [method, path] of [
        ['POST', '/servers'],
        ['DELETE', '/servers/127.0.0.1/1'],
        ['PATCH', '/servers/127.0.0.1/1'],
        ['PUT', '/certificates/a.example'],
        ['POST', '/servers?dryRun'],
        ['POST', '/reload'],
        ['POST', '/batch'],
      ] as const) {
        const answer = await call(method, `${prefix}${path}`, server, headers);
        assert.is(answer.status, 403, `${method} ${path}`);
        assert.match(answer.text, 'the read-only token does not allow changes');
      }
    }
  });
});

test('without a token in the config this machine needs none, and pages of other names get nothing', async () => {
  await withPage({ api: {} }, async ({ call }) => {
    const { body } = await call('GET', '/ui/api/session', undefined, ofPage);
    assert.match(JSON.stringify(body), '"signedIn":true,"withToken":false,"role":"operator"');
    const rebound = { ...ofPage, host: 'rebound.example' };
    assert.is((await call('GET', '/ui/api/session', undefined, rebound)).status, 403);
    assert.is((await call('POST', '/ui/api/servers', server, rebound)).status, 403);
    assert.is(
      (await call('POST', '/ui/api/servers', server, { 'sec-fetch-site': 'same-origin' })).status,
      403,
    );
    assert.is((await call('POST', '/ui/api/servers', server, ofPage)).status, 201);
  });
});

test('a second token without a first one, or the same, is an error', async () => {
  for (const api of [{ readToken }, { token, readToken: token }]) {
    try {
      const side = await managerSide(adminApi({ listen: '127.0.0.1:0', ...api }));
      await side.close();
      assert.unreachable();
    } catch (thrown) {
      if (!(thrown instanceof WeldrError)) throw thrown;
      assert.equal([thrown.code, thrown.field], ['CONFIG_INVALID', 'readToken']);
    }
  }
});
