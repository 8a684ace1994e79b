// docs/from-traefik.md: runs each config of Weldr, which does what the page says, and checks the form of Traefik's configs.
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { makeCertificate } from '../support/authority.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { lineV1 } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus, HeldAnswers } from './side-by-side/origin-answers.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';
import { traefik } from './side-by-side/traefik-form.ts';

const test = suite('docs/from-traefik.md');

const authority = makeCertificate({ names: ['clients'], isAuthority: true });
const client = makeCertificate({ names: ['build-7'], authority });

const page = new SideBySide(test, 'docs/from-traefik.md', {
  kind: traefik,
  files: {
    'etc/ssl/shop.pem': certificate,
    'etc/ssl/shop.key': privateKey,
    'etc/ssl/clients.pem': authority.cert,
    'var/lib/weldr/.keep': '',
  },
});

const first = '10.0.0.1:8080';
const second = '10.0.0.2:8080';
const office = { replace: [['10.9.0.0/16', '127.0.0.9/32']] } as const;

page.task('Entry points, HTTPS and the redirect', async proxy => {
  const moved = await proxy.ask('/a?b=c', { headers: { host: 'origin.test' } });
  assert.equal([moved.status, moved.headers.location], [308, 'https://origin.test/a?b=c']);
  const { asked } = await proxy.ask('/a', { port: 443, servername: 'origin.test' });
  assert.is(asked.headers['x-forwarded-proto'], 'https');
});

// test/plugins/acme tests acme() itself with an authority.
page.task(
  "Let's Encrypt certificates",
  async proxy => {
    const moved = await proxy.ask('/a', { headers: { host: 'shop.example' } });
    assert.is(moved.headers.location, 'https://shop.example/a');
  },
  { replace: [['email: ops@shop.example,', "email: ops@shop.example, directory: 'https://127.0.0.1:9/',"]] },
);

page.task(
  'Routers and rules',
  async proxy => {
    const ask = async (host: string, path: string, more: Record<string, string> = {}) =>
      await proxy.ask(path, { headers: { host, ...more } });
    assert.is((await ask('shop.example', '/')).server, first);
    assert.is((await ask('shop.example', '/api/x')).server, second);
    assert.is((await ask('shop.example', '/apis')).server, first);
    assert.is((await ask('shop.example', '/v2/x')).server, second);
    assert.is((await ask('shop.example', '/api/x', { 'x-beta': '1' })).server, '10.0.0.3:8080');
    assert.is((await ask('other.example', '/')).status, 404);
    const post = await proxy.ask('/', {
      method: 'POST',
      from: '127.0.0.9',
      headers: { host: 'other.example' },
    });
    assert.is(post.server, '10.0.0.3:8080');
  },
  office,
);

page.task('Several servers and weights', async proxy => {
  const servers = await proxy.servers(8);
  assert.is(servers.filter(server => server === first).length, 6);
  assert.is((await proxy.ask('/', { headers: { host: 'shop.example' } })).asked.headers.host, 'shop.example');
});

page.task(
  'Health checks',
  async proxy => {
    await until('the server that fails is out', async () =>
      (await proxy.servers(4)).every(server => server === second),
    );
  },
  { origins: { [first]: answerStatus(503) } },
);

page.task(
  'Failover',
  async proxy => {
    await until('the fallback is asked', async () => (await proxy.ask('/')).server === second);
  },
  { origins: { [first]: answerStatus(503) } },
);

page.task('Sticky sessions', async proxy => {
  const { server, headers } = await proxy.ask('/');
  const [cookie = ''] = headers['set-cookie'] ?? [];
  assert.match(cookie, /^lb=.*Max-Age=3600.*HttpOnly/);
  for (let n = 0; n < 4; n++) {
    assert.is((await proxy.ask('/', { headers: { cookie: cookie.split(';')[0] ?? '' } })).server, server);
  }
});

page.task('Canary and blue/green', async proxy => {
  const servers = new Set<string>();
  for (let n = 0; n < 60; n++) {
    const { server, headers } = await proxy.ask('/');
    servers.add(server);
    if (n % 20 !== 0) continue;
    const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    assert.is((await proxy.ask('/', { headers: { cookie } })).server, server);
  }
  assert.equal(servers, new Set([first, second]));
});

page.task(
  'Stripping a prefix',
  async proxy => {
    const answer = await proxy.ask('/api/a?b=c');
    assert.equal([answer.headers['x-url'], answer.headers['x-prefix']], ['/a?b=c', '/api']);
    assert.is(answer.headers.location, '/api/login');
    assert.is((await proxy.ask('/v1/a')).headers['x-url'], '/v2/a');
  },
  {
    origins: {
      [first]: ({ url = '', headers }, response) => {
        response.writeHead(302, {
          'x-url': url,
          'x-prefix': String(headers['x-forwarded-prefix']),
          location: '/login',
        });
        response.end();
      },
    },
  },
);

page.task('Redirects', async proxy => {
  const { status: code, headers } = await proxy.ask('/old/a/b?c=d');
  assert.equal([code, headers.location], [301, 'https://shop.example/new/a/b?c=d']);
});

page.task(
  'Headers',
  async proxy => {
    const { headers, asked } = await proxy.ask('/', { headers: { 'x-debug': '1', 'x-api-key': 'mine' } });
    assert.equal([headers['x-frame-options'], headers['x-content-type-options']], ['DENY', 'nosniff']);
    assert.equal([headers['x-served-by'], headers['x-powered-by']], ['edge', undefined]);
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
  assert.is(preflight.headers['access-control-max-age'], '600');
  const answer = await proxy.ask('/', { headers: { origin } });
  assert.equal([answer.headers['access-control-allow-origin'], answer.headers.vary], [origin, 'Origin']);
});

page.task('Rate limits', async proxy => {
  const answers = await Promise.all(Array.from({ length: 30 }, () => proxy.ask('/')));
  assert.ok(answers.filter(answer => answer.status === 200).length >= 6);
  assert.ok(answers.some(answer => answer.status === 429));
});

page.task('Basic authentication', async proxy => {
  const authorization = `Basic ${Buffer.from('ada:correct horse battery staple').toString('base64')}`;
  const refused = await proxy.ask('/');
  assert.equal([refused.status, refused.server], [401, '']);
  const { asked } = await proxy.ask('/', { headers: { authorization, 'x-user': 'eve' } });
  assert.equal([asked.headers['x-user'], asked.headers.authorization], ['ada', undefined]);
});

page.task(
  'Forward authentication',
  async proxy => {
    const { asked } = await proxy.ask('/a', { headers: { cookie: 'in=1', 'x-auth-user': 'eve' } });
    assert.is(asked.headers['x-auth-user'], 'ada');
    const { status: code, headers } = await proxy.ask('/a');
    assert.equal([code, headers.location], [302, '/login']);
    await proxy.origin('10.0.0.9:9000').close();
    assert.is((await proxy.ask('/a')).status, 503);
  },
  {
    origins: {
      '10.0.0.9:9000': (request, response) => {
        if (request.headers.cookie === 'in=1') response.writeHead(200, { 'X-Auth-User': 'ada' }).end();
        else response.writeHead(302, { Location: '/login' }).end();
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
  office,
);

page.task(
  'Compression',
  async proxy => {
    const { headers, body } = await proxy.ask('/', { headers: { 'accept-encoding': 'gzip' } });
    assert.is(headers['content-encoding'], 'gzip');
    assert.is(gunzipSync(body).length, 5000);
  },
  {
    origins: {
      [first]: (_, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '5000' });
        response.end('7'.repeat(5000));
      },
    },
  },
);

page.task(
  'Retries',
  async proxy => {
    assert.equal(await proxy.servers(4), [second, second, second, second]);
  },
  { origins: { [first]: answerStatus(503), [second]: answerStatus(200) } },
);

page.task(
  'A circuit breaker',
  async proxy => {
    for (let n = 0; n < 20; n++) assert.is((await proxy.ask('/')).status, 500);
    const { status: code, server, headers } = await proxy.ask('/');
    assert.equal([code, server, headers['retry-after'] !== undefined], [503, '', true]);
  },
  { origins: { [first]: answerStatus(500) } },
);

const held = new HeldAnswers(url => url !== '/slow');

page.task(
  'Concurrent requests',
  async proxy => {
    const headers = { 'x-tenant': 'a' };
    const slow = proxy.ask('/slow', { headers });
    await until('the slow one is there', () => proxy.origin(first).inFlight === 1);
    assert.is((await proxy.ask('/', { headers })).status, 429);
    assert.is((await proxy.ask('/', { headers: { 'x-tenant': 'b' } })).status, 200);
    held.release();
    assert.is((await slow).status, 200);
  },
  { origins: { [first]: held.handle } },
);

page.task(
  'Error pages',
  async proxy => {
    const { status: code, body } = await proxy.ask('/', { headers: { accept: 'text/html' } });
    assert.is(code, 500);
    assert.match(body.toString(), '<h1>Error 500</h1>');
  },
  { origins: { [first]: answerStatus(500) } },
);

page.task('Request size limits', async proxy => {
  const tooLarge = await proxy.ask('/', { method: 'POST', headers: { 'content-length': '1048577' } });
  assert.equal([tooLarge.status, tooLarge.server], [413, '']);
  assert.is((await proxy.ask('/', { method: 'POST', body: 'x'.repeat(100_000) })).status, 200);
});

page.task('Timeouts', async proxy => assert.is((await proxy.ask('/')).status, 504), {
  replace: [['response: 30s', 'response: 200ms']],
  origins: { [first]: () => {} },
});

page.task(
  'Trusted proxies in front',
  async proxy => {
    const headers = { 'x-forwarded-for': '203.0.113.5' };
    const of = async (from: string) =>
      (await proxy.ask('/', { from, headers })).asked.headers['x-forwarded-for'];
    assert.is(await of('127.0.0.9'), '203.0.113.5, 127.0.0.9');
    assert.is(await of('127.0.0.8'), '127.0.0.8');
    const socket = connect({ port: proxy.port(8080), host: '127.0.0.1', localAddress: '127.0.0.9' });
    socket.write(`${lineV1({ from: '203.0.113.6' })}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.match(await text(socket), '"x-forwarded-for":"203.0.113.6"');
  },
  office,
);

page.task('Client certificates', async proxy => {
  const { asked } = await proxy.ask('/', { port: 443, servername: 'origin.test', certificate: client });
  assert.match(String(asked.headers['x-forwarded-client-cert']), 'CN=build-7');
  const refused = await proxy.ask('/', { port: 443, servername: 'origin.test' }).then(
    () => false,
    () => true,
  );
  assert.ok(refused);
});

await grpcTask(page, test, 'gRPC and HTTP/2 without TLS');

page.task('The API and metrics', async proxy => {
  assert.match(await proxy.shell(), /"ttl".*# TYPE weldr_.*"ready/s);
  assert.equal(new Set(await proxy.servers(2)), new Set([first, second]));
});

page.allTasksAreTried();
