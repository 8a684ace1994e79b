// docs/from-haproxy.md: runs the two configs of each task in HAProxy and in Weldr, with the same servers and requests.
import { connect, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/authority.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { lineV1 } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus, HeldAnswers } from './side-by-side/origin-answers.ts';
import { haproxy } from './side-by-side/peer-kind.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';

const test = suite('docs/from-haproxy.md');

const authority = makeCertificate({ names: ['clients'], isAuthority: true });
const client = makeCertificate({ names: ['build-7'], authority });

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

const first = '10.0.0.1:8080';
const second = '10.0.0.2:8080';
const office = { replace: [['10.9.0.0/16', '127.0.0.9/32']] } as const;

page.task('Several servers, weights and a backup', async proxy => {
  const servers = await proxy.servers(8);
  assert.is(servers.filter(server => server === first).length, 6, proxy.name);
  assert.is(servers.filter(server => server === second).length, 2, proxy.name);
});

page.task(
  'Health checks',
  async proxy => {
    await until('the server that fails is out', async () =>
      (await proxy.servers(4)).every(server => server === second),
    );
  },
  { origins: { [first]: answerStatus(503) }, replace: [['10s', '50ms']] },
);

page.task(
  'Retries',
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
  const { server, headers } = await proxy.ask('/');
  const [cookie = ''] = headers['set-cookie'] ?? [];
  assert.match(cookie, /^SERVER=/);
  for (let n = 0; n < 4; n++) {
    assert.is((await proxy.ask('/', { headers: { cookie: cookie.split(';')[0] ?? '' } })).server, server);
  }
});

page.task('Hashing', async proxy => {
  const of = async (user: string) => (await proxy.ask('/', { headers: { 'x-user': user } })).server;
  const chosen = new Set<string>();
  for (let n = 0; n < 20; n++) {
    const server = await of(`u${n}`);
    assert.is(await of(`u${n}`), server);
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
  const servers = await proxy.servers(150);
  const next = servers.filter(server => server === second).length;
  assert.ok(next > 0 && next < 75, `${next} of 150`);
});

page.task('Rate limits', async proxy => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => proxy.ask('/')));
  assert.ok(answers.filter(answer => answer.status === 200).length >= 10);
  assert.ok(answers.some(answer => answer.status === 429));
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
  const authorization = `Basic ${Buffer.from('ada:correct horse battery staple').toString('base64')}`;
  assert.is((await proxy.ask('/')).status, 200);
  const refused = await proxy.ask('/admin/x');
  assert.equal([refused.status, refused.server], [401, '']);
  assert.match(refused.headers['www-authenticate'] ?? '', 'Basic realm="administrators"');
  assert.is((await proxy.ask('/admin/x', { headers: { authorization } })).server, first);
});

page.task(
  'IP allow and deny lists',
  async proxy => {
    assert.is((await proxy.ask('/', { from: '127.0.0.9' })).status, 200);
    const { status: code, server } = await proxy.ask('/');
    assert.equal([code, server], [403, '']);
  },
  office,
);

/** Answers each request with what preceded it on its connection. */
const introduced = createServer((socket: Socket) => {
  socket.on('error', () => {});
  socket.setEncoding('latin1').once('data', data => {
    const head = String(data).startsWith('\r\n\r\n\0\r\nQUIT\n');
    const fields = String(data).match(/x-forwarded-for: (.*)\r/i)?.[1] ?? '';
    const body = `${head ? 'v2' : 'none'} ${fields}`;
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
});
const introducedPort = await new Promise<number>(resolve => {
  introduced.listen(0, '127.0.0.1', () => {
    const address = introduced.address();
    resolve(typeof address === 'object' && address !== null ? address.port : 0);
  });
});
test.after(() => introduced.close());

page.task(
  "The client's address, and the PROXY protocol",
  async proxy => {
    const headers = { 'x-forwarded-for': '203.0.113.5' };
    assert.match(
      (await proxy.ask('/', { from: '127.0.0.9', headers })).body.toString(),
      /^v2 203\.0\.113\.5/,
    );
    assert.is((await proxy.ask('/', { from: '127.0.0.8', headers })).body.toString(), 'v2 127.0.0.8');
    const socket = connect({ port: proxy.port(8080), host: '127.0.0.1', localAddress: '127.0.0.9' });
    socket.write(`${lineV1({ from: '203.0.113.6' })}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.match(await text(socket), 'v2 203.0.113.6');
  },
  { ...office, servers: () => ({ [first]: introducedPort }) },
);

page.task(
  'Timeouts',
  async proxy => {
    assert.is((await proxy.ask('/')).status, 504);
    assert.is((await proxy.ask('/reports/x')).status, 200);
  },
  {
    replace: [
      ['timeout server 30s', 'timeout server 200ms'],
      ["response: '30s'", "response: '200ms'"],
    ],
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
  const { asked } = await proxy.ask('/', { port: 443, servername: 'origin.test', certificate: client });
  const told = asked.headers[proxy.isWeldr ? 'x-forwarded-client-cert' : 'x-client-subject'];
  assert.match(String(told), 'CN=build-7');
  const refused = await proxy.ask('/', { port: 443, servername: 'origin.test' }).then(
    () => false,
    () => true,
  );
  assert.ok(refused, proxy.name);
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
