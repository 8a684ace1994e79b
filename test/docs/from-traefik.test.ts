// docs/from-traefik.md: runs each config of Weldr, which does what the page says, and checks the form of Traefik's configs.
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import {
  askWithCertificate,
  askWithoutCertificate,
  authority,
  authorization,
  exchange,
  expectBodyLimit,
  expectCors,
  expectFirstOut,
  expectOfficeOnly,
  expectRateLimit,
  expectRedirect,
  expectStickyCookie,
  expectStickySplit,
  expectWeights,
  failingFirst,
  first,
  introduced,
  office,
  second,
  talkative,
} from './side-by-side/common-tasks.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus, HeldAnswers } from './side-by-side/origin-answers.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';
import { traefik } from './side-by-side/traefik-form.ts';

const test = suite('docs/from-traefik.md');

const page = new SideBySide(test, 'docs/from-traefik.md', {
  kind: traefik,
  files: {
    'etc/ssl/shop.pem': certificate,
    'etc/ssl/shop.key': privateKey,
    'etc/ssl/clients.pem': authority.cert,
    'var/lib/weldr/.keep': '',
  },
});

page.task('Entry points, HTTPS and the redirect', async proxy => {
  const moved = await proxy.ask('/a?b=c', { headers: { host: 'origin.test' } });
  assert.equal([moved.status, moved.headers.location], [308, 'https://origin.test/a?b=c']);
  const { asked } = await proxy.ask('/a', { port: 443, servername: 'origin.test' });
  assert.is(asked.headers['x-forwarded-proto'], 'https');
});

// test/plugins/acme tests acme() itself with an authority.
page.task("Let's Encrypt certificates", expectRedirect, {
  replace: [['email: ops@shop.example,', "email: ops@shop.example, directory: 'https://127.0.0.1:9/',"]],
});

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
  await expectWeights(proxy);
  assert.is((await proxy.ask('/', { headers: { host: 'shop.example' } })).asked.headers.host, 'shop.example');
});

page.task('Health checks', expectFirstOut, { origins: { [first]: answerStatus(503) } });

page.task(
  'Failover',
  async proxy => {
    await until('the fallback is asked', async () => (await proxy.ask('/')).server === second);
  },
  { origins: { [first]: answerStatus(503) } },
);

page.task('Sticky sessions', async proxy => {
  await expectStickyCookie(proxy, /^lb=.*Max-Age=3600.*HttpOnly/);
});

page.task('Canary and blue/green', expectStickySplit);

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
  { origins: { [first]: talkative } },
);

page.task('CORS', async proxy => {
  const preflight = await expectCors(proxy);
  assert.is(preflight.headers['access-control-max-age'], '600');
});

page.task('Rate limits', async proxy => {
  await expectRateLimit(proxy, { sent: 30, passed: 6 });
});

page.task('Basic authentication', async proxy => {
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

page.task('IP allow and deny lists', expectOfficeOnly, office);

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
  { origins: failingFirst },
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

page.task('Request size limits', expectBodyLimit);

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
    const answer = await exchange(proxy, introduced, { port: 8080, from: '127.0.0.9' });
    assert.match(answer, '"x-forwarded-for":"203.0.113.6"');
  },
  office,
);

page.task('Client certificates', async proxy => {
  const { asked } = await askWithCertificate(proxy);
  assert.match(String(asked.headers['x-forwarded-client-cert']), 'CN=build-7');
  assert.is(await askWithoutCertificate(proxy), 'no handshake');
});

await grpcTask(page, test, 'gRPC and HTTP/2 without TLS');

page.task('The API and metrics', async proxy => {
  assert.match(await proxy.shell(), /"ttl".*# TYPE weldr_.*"ready/s);
  assert.equal(new Set(await proxy.servers(2)), new Set([first, second]));
});

page.allTasksAreTried();
