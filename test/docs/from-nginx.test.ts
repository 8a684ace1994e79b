// docs/from-nginx.md: runs the two configs of each task in nginx and in Weldr, with the same servers and requests.
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import {
  askWithCertificate,
  askWithoutCertificate,
  authority,
  authorization,
  exchange,
  expectBodyLimit,
  expectCors,
  expectHttps,
  expectOfficeOnly,
  expectPasswordAsked,
  expectRateLimit,
  expectRedirect,
  expectRetries,
  expectServerPerKey,
  expectTimeouts,
  expectWeights,
  failingFirst,
  first,
  introduced,
  office,
  second,
  signIn,
  slowServer,
  talkative,
  third,
  unreachableAuthority,
} from './side-by-side/common-tasks.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { nginx } from './side-by-side/peer-kind.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';
import { startUpgradeOrigin, upgrade } from './side-by-side/upgrade-origin.ts';

const test = suite('docs/from-nginx.md');

const bcrypt = '$2b$10$nxfQ5WfWp1Rh7d5XjgP41exEyniT/mTT/nXvZPjqot2VdO8sK5Qie';

const page = new SideBySide(test, 'docs/from-nginx.md', {
  kind: nginx,
  files: {
    'etc/ssl/shop.pem': certificate,
    'etc/ssl/shop.key': privateKey,
    'etc/ssl/clients.pem': authority.cert,
    'etc/letsencrypt/live/shop.example/fullchain.pem': certificate,
    'etc/letsencrypt/live/shop.example/privkey.pem': privateKey,
    'etc/nginx/htpasswd': `ada:${bcrypt}\n`,
    'etc/nginx/html/sorry.html': '<!doctype html><title>Sorry</title><h1>Sorry</h1>',
    'var/lib/weldr/.keep': '',
    'run/.keep': '',
  },
});

page.task('Several servers, weights and a backup', async proxy => {
  await expectWeights(proxy);
  const { asked } = await proxy.ask('/', { headers: { host: 'shop.example' } });
  assert.is(asked.headers.host, 'shop.example');
});

page.task('Failing servers', expectRetries, { origins: failingFirst });

page.task('Least connections', async proxy => {
  assert.equal(new Set(await proxy.servers(20)), new Set([first, second]));
});

page.task('Sticky sessions', async proxy => {
  await expectServerPerKey(proxy, n => ({ cookie: `session=s${n}` }));
});

page.task('HTTPS, HTTP/2 and the redirect', expectHttps);

page.task("Let's Encrypt certificates", expectRedirect, unreachableAuthority);

await grpcTask(page, test, 'gRPC');

page.task('Hosts and paths', async proxy => {
  const of = async (host: string, path: string) => (await proxy.ask(path, { headers: { host } })).server;
  assert.is(await of('shop.example', '/'), '10.0.0.1:8080');
  assert.is(await of('shop.example', '/api/x'), '10.0.0.2:8080');
  assert.is(await of('shop.example', '/login'), '10.0.0.3:8080');
  assert.is(await of('shop.example', '/v2/x'), '10.0.0.4:8080');
  assert.is(await of('a.img.example', '/x'), '10.0.0.5:8080');
  // As in the table of differences.
  const merged = await proxy.ask('//login', { headers: { host: 'shop.example' } });
  assert.is(proxy.isWeldr ? merged.status : merged.server, proxy.isWeldr ? 400 : third);
  const bare = await exchange(proxy, 'GET / HTTP/1.1\nHost: shop.example\nConnection: close\n\n');
  assert.match(bare, proxy.isWeldr ? /^HTTP\/1.1 400 / : /^HTTP\/1.1 200 /);
  const trace = await proxy.ask('/', { method: 'TRACE', headers: { host: 'shop.example' } });
  assert.equal([trace.status, trace.server], [405, '']);
  if (!proxy.isWeldr) return;
  assert.is(await of('shop.example', '/api'), '10.0.0.2:8080');
  assert.is(await of('shop.example', '/LOGIN/'), '10.0.0.3:8080');
  assert.is((await proxy.ask('/', { headers: { host: 'other.example' } })).status, 404);
});

page.task('Redirects', async proxy => {
  const old = await proxy.ask('/old/a/b?c=d');
  assert.equal([old.status, old.headers.location], [301, 'https://shop.example/new/a/b?c=d']);
  const user = await proxy.ask('/u/7');
  assert.is(user.status, 302);
  assert.is(new URL(user.headers.location ?? '', 'http://127.0.0.1').pathname, '/users/7');
  assert.is((await proxy.ask('/u/seven')).server, first);
});

page.task(
  'Stripping a prefix',
  async proxy => {
    const answer = await proxy.ask('/api/a?b=c');
    assert.is(answer.headers['x-url'], '/a?b=c');
    assert.match(String(answer.headers['set-cookie']), /^s=1; Path=\/api\/?$/);
    const { asked } = await proxy.ask('/v1/a');
    assert.is(asked.url, '/v2/a');
  },
  {
    origins: {
      [first]: (request, response) => {
        response.setHeader('set-cookie', 's=1; Path=/');
        response.setHeader('x-url', request.url ?? '');
        response.end();
      },
    },
  },
);

page.task(
  'Headers',
  async proxy => {
    const given = { 'x-debug': '1', x_debug: '1', x_other: '1', 'x-api-key': 'mine' };
    const { headers, asked } = await proxy.ask('/', { headers: given });
    assert.equal(
      [asked.headers['x_debug'], asked.headers['x_other']],
      [undefined, proxy.isWeldr ? '1' : undefined],
    );
    assert.equal([headers['x-frame-options'], headers['x-powered-by']], ['DENY', undefined]);
    assert.equal([asked.headers['x-api-key'], asked.headers['x-debug']], ['sesame', undefined]);
  },
  { origins: { [first]: talkative } },
);

page.task('A canary', async proxy => {
  let next = 0;
  for (let n = 1; n <= 100; n++) {
    const from = `127.0.1.${n}`;
    const { server } = await proxy.ask('/', { from });
    if (n % 20 === 0) assert.is((await proxy.ask('/', { from })).server, server);
    if (server === second) next++;
  }
  assert.ok(next > 5 && next < 40, `${next} of 100 clients`);
});

page.task('Rate limits', async proxy => {
  const refused = await expectRateLimit(proxy, { sent: 30, passed: 6 });
  if (proxy.isWeldr) assert.ok(Number(refused.headers['retry-after']) >= 1);
});

page.task('Basic authentication', async proxy => {
  await expectPasswordAsked(proxy);
  assert.is((await proxy.ask('/%61dmin/x')).status, 401);
  assert.is((await proxy.ask('/ADMIN/x')).status, proxy.isWeldr ? 401 : 200);
  const { status: code, asked } = await proxy.ask('/admin/x', { headers: { authorization } });
  assert.is(code, 200);
  assert.is(asked.headers.authorization, proxy.isWeldr ? undefined : authorization);
});

page.task(
  'Forward authentication',
  async proxy => {
    const { asked } = await proxy.ask('/a', { headers: { cookie: 'in=1', 'x-auth-user': 'eve' } });
    assert.is(asked.headers['x-auth-user'], 'ada');
    const { status: code, server } = await proxy.ask('/a');
    assert.equal([code, server === first], [401, false]);
  },
  { origins: { '10.0.0.9:9000': signIn(200, 'X-Auth-User') } },
);

page.task('IP allow and deny lists', expectOfficeOnly, office);

page.task(
  "The client's address behind another proxy",
  async proxy => {
    const forwarded = { 'x-forwarded-for': '203.0.113.5' };
    const of = async (from: string) => (await proxy.ask('/', { from, headers: forwarded })).asked.headers;
    assert.match(String((await of('127.0.0.9'))['x-forwarded-for']), /^203\.0\.113\.5/);
    assert.is((await of('127.0.0.8'))['x-forwarded-for'], '127.0.0.8');
    const answer = await exchange(proxy, introduced, { port: 8080, from: '127.0.0.9' });
    assert.match(answer, '"x-forwarded-for":"203.0.113.6"');
  },
  office,
);

page.task('Timeouts', expectTimeouts, {
  replace: [['30s', '200ms']],
  origins: { [first]: slowServer },
});

page.task('Request size limits', expectBodyLimit);

page.task(
  'Compression',
  async proxy => {
    const { headers, body } = await proxy.ask('/', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal([headers['content-encoding'], headers.etag], ['gzip', 'W/"1"']);
    assert.match(headers.vary ?? '', 'Accept-Encoding');
    assert.is(gunzipSync(body).length, 5000);
  },
  {
    origins: {
      [first]: (_, response) => {
        response.writeHead(200, {
          'Content-Type': 'application/json',
          'Content-Length': '5000',
          ETag: '"1"',
        });
        response.end('7'.repeat(5000));
      },
    },
  },
);

page.task('CORS', async proxy => void (await expectCors(proxy)));

const sockets = await startUpgradeOrigin();
test.after(() => sockets.close());

page.task('WebSockets', async proxy => assert.is(await upgrade(proxy.port(80), 'hello'), 'hello'), {
  servers: () => ({ [first]: sockets.port }),
});

page.task(
  'Error pages and maintenance',
  async proxy => {
    assert.is((await proxy.ask('/shop/x')).status, 503);
    assert.is((await proxy.ask('/shop/x', { from: '127.0.0.9' })).status, 200);
    await proxy.origin(first).close();
    const { status: code, body } = await proxy.ask('/', { headers: { accept: 'text/html' } });
    assert.is(code, 502);
    assert.match(body.toString(), '<h1>Sorry</h1>');
    await proxy.origin(first).reopen();
  },
  office,
);

page.task('Client certificates', async proxy => {
  const { asked } = await askWithCertificate(proxy);
  const told = asked.headers[proxy.isWeldr ? 'x-forwarded-client-cert' : 'x-client-subject'];
  assert.match(String(told), 'CN=build-7');
  assert.is(await askWithoutCertificate(proxy), proxy.isWeldr ? 'no handshake' : '400');
});

page.task('Changing servers at run time', async proxy => {
  assert.equal(await proxy.servers(2), [first, first]);
  if (!proxy.isWeldr) return assert.is((await proxy.ask('/status')).status, 200);
  assert.match(await proxy.shell(), /"success".*# TYPE weldr_/s);
  assert.equal(await proxy.servers(2), [second, second]);
});

page.allTasksAreTried();
