// docs/from-nginx.md: runs the two configs of each task in nginx and in Weldr, with the same servers and requests.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/authority.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { lineV1 } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus } from './side-by-side/origin-answers.ts';
import { nginx } from './side-by-side/peer-kind.ts';
import { SideBySide, type SideProxy } from './side-by-side/side-by-side.ts';
import { startUpgradeOrigin, upgrade } from './side-by-side/upgrade-origin.ts';

const test = suite('docs/from-nginx.md');

const authority = makeCertificate({ names: ['clients'], isAuthority: true });
const client = makeCertificate({ names: ['build-7'], authority });
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

const first = '10.0.0.1:8080';
const second = '10.0.0.2:8080';
const third = '10.0.0.3:8080';

/** Sends these bytes, and resolves with the answer. */
async function raw(proxy: SideProxy, bytes: string, { port = 80, from = '127.0.0.1' } = {}): Promise<string> {
  const socket = connect({ port: proxy.port(port), host: '127.0.0.1', localAddress: from });
  socket.write(bytes);
  return await text(socket);
}

page.task('Several servers, weights and a backup', async proxy => {
  const servers = await proxy.servers(8);
  assert.is(servers.filter(server => server === first).length, 6, proxy.name);
  assert.is(servers.filter(server => server === second).length, 2, proxy.name);
  const { asked } = await proxy.ask('/', { headers: { host: 'shop.example' } });
  assert.is(asked.headers.host, 'shop.example');
});

page.task(
  'Failing servers',
  async proxy => {
    for (let n = 0; n < 4; n++) {
      const { status: code, server } = await proxy.ask('/');
      assert.equal([code, server], [200, second], proxy.name);
    }
  },
  { origins: { [first]: answerStatus(503), [second]: answerStatus(200) } },
);

page.task('Least connections', async proxy => {
  assert.equal(new Set(await proxy.servers(20)), new Set([first, second]));
});

page.task('Sticky sessions', async proxy => {
  const of = async (session: string) =>
    (await proxy.ask('/', { headers: { cookie: `session=${session}` } })).server;
  const chosen = new Set<string>();
  for (let n = 0; n < 20; n++) {
    const server = await of(`s${n}`);
    assert.is(await of(`s${n}`), server);
    chosen.add(server);
  }
  assert.is(chosen.size, 3);
});

page.task('HTTPS, HTTP/2 and the redirect', async proxy => {
  const moved = await proxy.ask('/a?b=c', { headers: { host: 'origin.test' } });
  assert.equal([moved.status, moved.headers.location], [301, 'https://origin.test/a?b=c']);
  const answer = await proxy.ask('/a', { port: 443, servername: 'origin.test' });
  assert.is(answer.headers['strict-transport-security'], 'max-age=31536000');
  const { headers } = answer.asked;
  assert.equal([headers['x-forwarded-proto'], headers['x-forwarded-for']], ['https', '127.0.0.1']);
  const socket = connectTls({ port: proxy.port(443), ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await new Promise(resolve => socket.once('secureConnect', resolve));
  assert.is(socket.alpnProtocol, 'h2');
  socket.destroy();
});

// test/plugins/acme tests acme() itself with an authority.
page.task(
  "Let's Encrypt certificates",
  async proxy => {
    const moved = await proxy.ask('/a', { headers: { host: 'shop.example' } });
    assert.is(moved.headers.location, 'https://shop.example/a');
  },
  {
    weldrAlone: true,
    replace: [
      [
        "acme({ email: 'ops@shop.example',",
        "acme({ email: 'ops@shop.example', directory: 'https://127.0.0.1:9/',",
      ],
    ],
  },
);

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
  const bare = await raw(proxy, 'GET / HTTP/1.1\nHost: shop.example\nConnection: close\n\n');
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
  {
    origins: {
      [first]: ({ headers }, response) => {
        response.setHeader('x-powered-by', 'a test');
        response.end(JSON.stringify({ headers }));
      },
    },
  },
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
  const answers = await Promise.all(Array.from({ length: 30 }, () => proxy.ask('/')));
  const passed = answers.filter(answer => answer.status === 200).length;
  assert.ok(passed >= 6, `${passed} passed`);
  const refused = answers.find(answer => answer.status === 429);
  assert.ok(refused !== undefined);
  if (proxy.isWeldr) assert.ok(Number(refused.headers['retry-after']) >= 1);
});

page.task('Basic authentication', async proxy => {
  const authorization = `Basic ${Buffer.from('ada:correct horse battery staple').toString('base64')}`;
  assert.is((await proxy.ask('/')).status, 200);
  const refused = await proxy.ask('/admin/x');
  assert.equal([refused.status, refused.server], [401, '']);
  assert.match(refused.headers['www-authenticate'] ?? '', 'Basic realm="administrators"');
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
  {
    origins: {
      '10.0.0.9:9000': (request, response) => {
        const isIn = request.headers.cookie === 'in=1';
        response.writeHead(isIn ? 200 : 401, isIn ? { 'X-Auth-User': 'ada' } : {}).end();
      },
    },
  },
);

page.task(
  'IP allow and deny lists',
  async proxy => {
    assert.is((await proxy.ask('/', { from: '127.0.0.9' })).status, 200);
    const { status: code, server } = await proxy.ask('/');
    assert.equal([code, server], [403, '']);
  },
  { replace: [['10.9.0.0/16', '127.0.0.9/32']] },
);

page.task(
  "The client's address behind another proxy",
  async proxy => {
    const forwarded = { 'x-forwarded-for': '203.0.113.5' };
    const of = async (from: string) => (await proxy.ask('/', { from, headers: forwarded })).asked.headers;
    assert.match(String((await of('127.0.0.9'))['x-forwarded-for']), /^203\.0\.113\.5/);
    assert.is((await of('127.0.0.8'))['x-forwarded-for'], '127.0.0.8');
    const head = `${lineV1({ from: '203.0.113.6' })}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const introduced = await raw(proxy, head, { port: 8080, from: '127.0.0.9' });
    assert.match(introduced, '"x-forwarded-for":"203.0.113.6"');
  },
  { replace: [['10.9.0.0/16', '127.0.0.9/32']] },
);

page.task(
  'Timeouts',
  async proxy => {
    assert.is((await proxy.ask('/')).status, 504);
    assert.is((await proxy.ask('/reports/x')).status, 200);
  },
  {
    replace: [['30s', '200ms']],
    origins: {
      [first]: (request, response) => {
        if (request.url === '/') return;
        setTimeout(() => response.end(), 400);
      },
    },
  },
);

page.task('Request size limits', async proxy => {
  const tooLarge = await proxy.ask('/', { method: 'POST', headers: { 'content-length': '1048577' } });
  assert.equal([tooLarge.status, tooLarge.server], [413, '']);
  assert.is((await proxy.ask('/', { method: 'POST', body: 'x'.repeat(100_000) })).status, 200);
});

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

page.task('CORS', async proxy => {
  const origin = 'https://shop.example';
  const preflight = await proxy.ask('/', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'content-type',
    },
  });
  assert.equal([preflight.status, preflight.server], [204, '']);
  assert.is(preflight.headers['access-control-allow-origin'], origin);
  assert.match(preflight.headers['access-control-allow-methods'] ?? '', 'PUT');
  const answer = await proxy.ask('/', { headers: { origin } });
  assert.equal([answer.headers['access-control-allow-origin'], answer.headers.vary], [origin, 'Origin']);
  const other = await proxy.ask('/', { headers: { origin: 'https://eve.example' } });
  assert.is(other.headers['access-control-allow-origin'], undefined);
});

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
  { replace: [['10.9.0.0/16', '127.0.0.9/32']] },
);

page.task('Client certificates', async proxy => {
  const { asked } = await proxy.ask('/', { port: 443, servername: 'origin.test', certificate: client });
  const told = asked.headers[proxy.isWeldr ? 'x-forwarded-client-cert' : 'x-client-subject'];
  assert.match(String(told), 'CN=build-7');
  const without = proxy.ask('/', { port: 443, servername: 'origin.test' });
  const outcome = await without.then(
    ({ status: code }) => String(code),
    () => 'no handshake',
  );
  assert.is(outcome, proxy.isWeldr ? 'no handshake' : '400');
});

page.task('Changing servers at run time', async proxy => {
  assert.equal(await proxy.servers(2), [first, first]);
  if (!proxy.isWeldr) return assert.is((await proxy.ask('/status')).status, 200);
  assert.match(await proxy.shell(), /"success".*# TYPE weldr_/s);
  assert.equal(await proxy.servers(2), [second, second]);
});

page.allTasksAreTried();
