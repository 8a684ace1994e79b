// Paths that other proxies' rules read differently from the servers behind them: one test for each incident.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: how captures are written in templates of routes
import * as assert from 'uvu/assert';
import { reply } from '../../../core/request/reply.ts';
import type { RouteInput } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';
import { run } from './support.ts';

const test = suite('routes and incidents');

const closed: RouteInput = {
  name: 'closed',
  path: ['/private', '/admin/*', '/app1/admin', '/with/*', '/user/:name/admin'],
  pool: 'a',
  plugins: [{ name: 'gate', worker: ({ hooks }) => void hooks.request.tap('gate', () => reply(403)) }],
};
const open: RouteInput = { name: 'open', path: '/*', pool: 'b' };

/** Asserts that no target reaches a server: the route closes it, or it is ambiguous. */
async function expectClosed(...targets: readonly string[]): Promise<void> {
  for (const target of targets) {
    const { status, attempts } = await run([open, closed], { target });
    assert.ok(status === 403 || status === 400, `${target}: ${status}`);
    assert.equal(attempts, []);
  }
}

test('CVE-2019-9901: a path is matched without its dot segments', () =>
  expectClosed('/info/../private', '/info/./../private', '/private/.', '/x/y/../../private'));

test('CVE-2021-29492: an encoded slash stays one, and is refused where a route would depend on it', async () => {
  await expectClosed('/something%2F..%2Fadmin', '/something%5C..%5Cadmin', '/admin%2Fx', '/x%2f..%2fprivate');
  assert.is((await run([open, closed], { target: '/open/a%2Fb' })).sent[0]?.target, '/open/a%2Fb');
});

test('CVE-2021-32779: a # does not end a path only for routes', () =>
  expectClosed('/app1/admin#foo', '/private#'));

test('CVE-2026-73551: path parameters hide no dot segments', () =>
  expectClosed('/user/..;foo=bar/admin', '/x/..;/private', '/user/x;y=z/admin', '/private;a=b'));

test('CVE-2025-47952: encoded dots are dots, and unreserved characters are decoded', () =>
  expectClosed('/without/%2E%2E/with', '/%77ith', '/%77%69th/x', '/without/.%2e/with/x'));

test('CVE-2025-66490: no encoded character gets past a route', () =>
  expectClosed(
    '/x%2F..%2Fadmin',
    '/x%5C..%5Cadmin',
    '/admin%00',
    '/%00/../private',
    '/private%3Fx',
    '/private%23x',
    '/private%3Bx',
  ));

test('CVE-2026-48020: a prefix is stripped at a segment boundary, and the rest is checked again', async () => {
  const api: RouteInput = { name: 'api', path: '/api/*', pool: 'a', stripPrefix: '/api' };
  for (const target of ['/api../admin', '/api..%2fadmin', '/api%2e%2e/admin', '/apix/admin']) {
    const { route, sent, status } = await run([api, open], { target });
    assert.ok(status === 400 || route === 'open', `${target}: ${status} by ${String(route)}`);
    assert.ok(sent.every(({ target: got }) => got === target));
  }
  for (const target of ['/api/../admin', '/api/..%2fadmin', '/api/%2e%2e%2fadmin']) {
    const { sent } = await run([api, open], { target });
    assert.not(sent.some(({ target: got, upstream }) => upstream.pool === 'a' && got === '/admin'));
  }
});

test('CVE-2026-27587: encoded letters in a path are compared without case', async () => {
  const list: RouteInput[] = [{ name: 'k', path: '/käse', reply: { status: 403 } }, open];
  for (const target of ['/k%C3%A4se', '/k%c3%a4se', '/K%c3%A4SE', '/k%C3%84se', '/%6B%c3%a4se']) {
    assert.ok([400, 403].includes((await run(list, { target })).status), target);
  }
});

test('CVE-2026-27588: hosts are compared without case, at any number', async () => {
  const many = Array.from(
    { length: 200 },
    (_, n): RouteInput => ({ name: `h${n}`, host: `h${n}.test`, pool: 'b' }),
  );
  const list = [...many, { name: 'wide', host: '*.closed.test', reply: { status: 403 } }, open];
  list.push({ name: 'exact', host: 'closed.test', reply: { status: 403 } });
  for (const host of ['closed.test', 'CLOSED.test', 'Closed.TEST.:443', 'x.CLOSED.test', 'X.closed.Test:1']) {
    assert.is((await run(list, { host })).status, 403, host);
  }
  assert.is((await run(list, { host: 'H199.TEST' })).route, 'h199');
});

test('CVE-2026-120213: captures are encoded where they are inserted', async () => {
  const files: RouteInput = {
    name: 'files',
    path: '/files/:name',
    pool: 'a',
    rewrite: '/store/${name}/public',
  };
  for (const name of ['..%2Fadmin%23', 'x%2F..%2F..%2Fadmin%3F', 'a%3Fb', 'a%23b', '%2e%2e%2fadmin%3f']) {
    const { status, sent } = await run([files], { target: `/files/${name}` });
    assert.equal([status, sent], [400, []], name);
  }
  const moved: RouteInput = {
    name: 'moved',
    path: '/files/:name',
    redirect: { to: '/store/${name}/public' },
  };
  assert.is((await run([moved], { target: '/files/a%3Fb' })).headers.get('location'), '/store/a%3Fb/public');
});

test('middie, 2026: %2F, an absolute target and // have one reading everywhere', () =>
  expectClosed('/%2Fprivate', '//private', '//any.test/private', '/x//../private', '/private//', '///admin'));
