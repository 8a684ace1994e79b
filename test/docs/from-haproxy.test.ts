// docs/from-haproxy.md: runs the two configs of each task in HAProxy and in Weldr, with the same servers and requests.
import { createServer, type Socket } from 'node:net';
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
  expectFirstOut,
  expectHttps,
  expectOfficeOnly,
  expectPasswordAsked,
  expectRateLimit,
  expectRedirect,
  expectRetries,
  expectServerPerKey,
  expectStickyCookie,
  expectTimeouts,
  expectWeights,
  failingFirst,
  first,
  introduced,
  office,
  second,
  slowServer,
  talkative,
  unreachableAuthority,
} from './side-by-side/common-tasks.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus, HeldAnswers } from './side-by-side/origin-answers.ts';
import { haproxy } from './side-by-side/peer-kind.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';

const test = suite('docs/from-haproxy.md');

const page = new SideBySide(test, 'docs/from-haproxy.md', {
  kind: haproxy,
  files: {
    'etc/haproxy/shop.pem': certificate + privateKey,
    'etc/haproxy/clients.pem': authority.cert,
    'etc/haproxy/503.http':
      'HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<!doctype html><h1>Sorry</h1>',
    'var/lib/weldr/.keep': '',
    'run/.keep': '',
  },
});

page.task('Several servers, weights and a backup', expectWeights);

page.task('Health checks', expectFirstOut, {
  origins: { [first]: answerStatus(503) },
  replace: [['10s', '50ms']],
});

page.task('Retries', expectRetries, { origins: failingFirst });

page.task('Least connections', async proxy => {
  assert.equal(new Set(await proxy.servers(20)), new Set([first, second]));
});

page.task('Sticky sessions', async proxy => await expectStickyCookie(proxy, /^SERVER=/));

page.task('Hashing', async proxy => {
  await expectServerPerKey(proxy, n => ({ 'x-user': `u${n}` }));
});

page.task('HTTPS, HTTP/2 and the redirect', expectHttps);

page.task("Let's Encrypt certificates", expectRedirect, unreachableAuthority);

await grpcTask(page, test, 'gRPC');

page.task('Hosts and paths', async proxy => {
  const ask = async (host: string, path: string, more: Record<string, string> = {}) =>
    await proxy.ask(path, { headers: { host, ...more } });
  assert.is((await ask('shop.example', '/')).server, '10.0.0.1:8080');
  assert.is((await ask('Shop.Example', '/api/x')).server, '10.0.0.2:8080');
  assert.is((await ask('shop.example', '/api/x', { 'x-beta': '1' })).server, '10.0.0.3:8080');
  assert.is((await ask('a.img.example', '/x')).server, '10.0.0.4:8080');
  assert.is((await ask('other.example', '/')).status, 404);
  assert.is(
    (await ask('shop.example', '/%61pi/x')).server,
    proxy.isWeldr ? '10.0.0.2:8080' : '10.0.0.1:8080',
  );
});

page.task('Redirects and rewrites', async proxy => {
  const old = await proxy.ask('/old/a/b');
  assert.equal([old.status, old.headers.location], [301, 'https://shop.example/new/a/b']);
  assert.is((await proxy.ask('/api/a?b=c')).asked.url, '/a?b=c');
});

page.task(
  'Headers',
  async proxy => {
    const { headers, asked } = await proxy.ask('/', { headers: { 'x-debug': '1', 'x-api-key': 'mine' } });
    assert.equal([headers['x-frame-options'], headers['x-powered-by']], ['DENY', undefined]);
    assert.equal([asked.headers['x-api-key'], asked.headers['x-debug']], ['sesame', undefined]);
  },
  { origins: { [first]: talkative } },
);

page.task('A canary', async proxy => {
  const servers = await proxy.servers(150);
  const next = servers.filter(server => server === second).length;
  assert.ok(next > 0 && next < 75, `${next} of 150`);
});

page.task('Rate limits', async proxy => {
  await expectRateLimit(proxy, { sent: 40, passed: 10 });
});

const queued = new HeldAnswers();

page.task(
  'Connections to a server, and the queue',
  async proxy => {
    const answers = [proxy.ask('/'), proxy.ask('/')];
    assert.is((await Promise.race(answers)).status, 503, proxy.name);
    queued.release();
    const statuses = (await Promise.all(answers)).map(answer => answer.status);
    assert.equal(statuses.sort(), [200, 503], proxy.name);
  },
  {
    replace: [
      ['maxconn 30', 'maxconn 1'],
      ['maxConnections: 30', 'maxConnections: 1'],
      ['timeout queue 5s', 'timeout queue 200ms'],
      ["upstreamQueueTimeout: '5s'", "upstreamQueueTimeout: '200ms'"],
    ],
    origins: { [first]: queued.handle },
  },
);

page.task('Basic authentication', async proxy => {
  await expectPasswordAsked(proxy);
  assert.is((await proxy.ask('/admin/x', { headers: { authorization } })).server, first);
});

page.task('IP allow and deny lists', expectOfficeOnly, office);

/** Answers each request with what preceded it on its connection. */
const preceded = createServer((socket: Socket) => {
  socket.on('error', () => {});
  socket.setEncoding('latin1').once('data', data => {
    const head = String(data).startsWith('\r\n\r\n\0\r\nQUIT\n');
    const fields = String(data).match(/x-forwarded-for: (.*)\r/i)?.[1] ?? '';
    const body = `${head ? 'v2' : 'none'} ${fields}`;
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
});
const precededPort = await new Promise<number>(resolve => {
  preceded.listen(0, '127.0.0.1', () => {
    const address = preceded.address();
    resolve(typeof address === 'object' && address !== null ? address.port : 0);
  });
});
test.after(() => preceded.close());

page.task(
  "The client's address, and the PROXY protocol",
  async proxy => {
    const headers = { 'x-forwarded-for': '203.0.113.5' };
    assert.match(
      (await proxy.ask('/', { from: '127.0.0.9', headers })).body.toString(),
      /^v2 203\.0\.113\.5/,
    );
    assert.is((await proxy.ask('/', { from: '127.0.0.8', headers })).body.toString(), 'v2 127.0.0.8');
    const answer = await exchange(proxy, introduced, { port: 8080, from: '127.0.0.9' });
    assert.match(answer, 'v2 203.0.113.6');
  },
  { ...office, servers: () => ({ [first]: precededPort }) },
);

page.task('Timeouts', expectTimeouts, {
  replace: [
    ['timeout server 30s', 'timeout server 200ms'],
    ["response: '30s'", "response: '200ms'"],
  ],
  origins: { [first]: slowServer },
});

page.task('Request size limits', expectBodyLimit);

page.task(
  'Compression',
  async proxy => {
    const { headers, body } = await proxy.ask('/', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal([headers['content-encoding'], headers.etag], ['gzip', 'W/"1"']);
    assert.match(gunzipSync(body).toString(), /^"none"7{5000}/);
  },
  {
    origins: {
      [first]: (request, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json', ETag: '"1"' });
        response.end(`"${request.headers['accept-encoding'] ?? 'none'}"${'7'.repeat(5000)}`);
      },
    },
  },
);

page.task('CORS', async proxy => void (await expectCors(proxy)));

page.task(
  'Error pages and maintenance',
  async proxy => {
    const closed = await proxy.ask('/shop/x');
    assert.equal([closed.status, closed.body.toString()], [503, 'Back soon']);
    assert.is((await proxy.ask('/shop/x', { from: '127.0.0.9' })).status, 200);
    await proxy.origin(first).close();
    const { status: code, body } = await proxy.ask('/', { headers: { accept: 'text/html' } });
    assert.is(code, proxy.isWeldr ? 502 : 503);
    assert.match(body.toString(), '<h1>Sorry</h1>');
    await proxy.origin(first).reopen();
  },
  // Otherwise HAProxy tries three times, a second apart.
  { replace: [...office.replace, ['backend app\n', 'backend app\n  retries 0\n']] },
);

page.task('Client certificates', async proxy => {
  const { asked } = await askWithCertificate(proxy);
  const told = asked.headers[proxy.isWeldr ? 'x-forwarded-client-cert' : 'x-client-subject'];
  assert.match(String(told), 'CN=build-7');
  assert.is(await askWithoutCertificate(proxy), 'no handshake', proxy.name);
});

page.task('The run-time API', async proxy => {
  assert.equal(await proxy.servers(2), [first, first]);
  if (!proxy.isWeldr) return;
  const table = await proxy.shell();
  assert.match(table, /draining/);
  assert.equal(await proxy.servers(2), [second, second]);
});

page.task('Statistics', async proxy => {
  await proxy.ask('/');
  if (proxy.isWeldr) assert.match(await proxy.shell(), /"success".*# TYPE weldr_/s);
  else assert.is((await proxy.ask('/metrics', { port: 8404 })).status, 200);
});

page.allTasksAreTried();
