// docs/from-alb.md: runs each config of Weldr, which does what the page says, and checks the form of CloudFormation's resources.
import type { RequestListener } from 'node:http';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { cloudFormation } from './side-by-side/cloud-formation-form.ts';
import {
  askWithCertificate,
  askWithoutCertificate,
  authority,
  exchange,
  expectRateLimit,
  expectStickyCookie,
  expectStickySplit,
  first,
  introduced,
  office,
  second,
  signIn,
  third,
} from './side-by-side/common-tasks.ts';
import { grpcTask } from './side-by-side/grpc-task.ts';
import { answerStatus, HeldAnswers } from './side-by-side/origin-answers.ts';
import { SideBySide } from './side-by-side/side-by-side.ts';

const test = suite('docs/from-alb.md');

const page = new SideBySide(test, 'docs/from-alb.md', {
  kind: cloudFormation,
  files: {
    'etc/weldr/shop.pem': certificate,
    'etc/weldr/shop.key': privateKey,
    'etc/weldr/clients.pem': authority.cert,
    'var/lib/weldr/.keep': '',
  },
});

page.task('Listeners, certificates and the redirect', async proxy => {
  const moved = await proxy.ask('/a?b=c', { headers: { host: 'origin.test' } });
  assert.equal([moved.status, moved.headers.location], [301, 'https://origin.test/a?b=c']);
  assert.is((await proxy.ask('/a', { port: 443, servername: 'origin.test' })).server, first);
});

page.task('Target groups', async proxy => {
  assert.equal(new Set(await proxy.servers(20)), new Set([first, second]));
});

page.task(
  'Health checks',
  async proxy => {
    await until('the server that passes is asked', async () => (await proxy.ask('/')).status === 200);
    assert.equal(await proxy.servers(4), [second, second, second, second]);
  },
  { origins: { [first]: answerStatus(503) } },
);

page.task(
  'When no target is healthy',
  async proxy => {
    const checks = () => proxy.origin(first).seen.get('GET /healthz') ?? 0;
    await until('the server has failed checks', () => checks() > 2);
    assert.is((await proxy.ask('/')).server, first);
  },
  {
    replace: [['interval: 5s', 'interval: 50ms']],
    origins: { [first]: ({ url }, response) => response.writeHead(url === '/healthz' ? 503 : 200).end() },
  },
);

const held = new HeldAnswers(url => url !== '/slow');

page.task(
  'Slow start and draining',
  async proxy => {
    const slow = proxy.ask('/slow');
    await until('the slow request is there', () => proxy.origin(first).inFlight === 1);
    const removal = proxy.shell();
    await until('it gets nothing new', async () =>
      (await proxy.servers(3)).every(server => server === second),
    );
    held.release();
    assert.is((await slow).server, first);
    await removal;
  },
  { origins: { [first]: held.handle } },
);

page.task('Sticky sessions', async proxy => {
  await expectStickyCookie(proxy, /^AWSALB=.*Max-Age=3600/);
});

const login: RequestListener = ({ url }, response) => {
  if (url === '/login') response.setHeader('set-cookie', 'SESSION=1');
  response.end();
};

page.task(
  'Sticky by an application cookie',
  async proxy => {
    assert.is((await proxy.ask('/')).headers['set-cookie'], undefined);
    const { server, headers } = await proxy.ask('/login');
    const cookie = (headers['set-cookie'] ?? []).map(one => one.split(';')[0]).join('; ');
    assert.match(cookie, /weldr=/);
    for (let n = 0; n < 4; n++) assert.is((await proxy.ask('/', { headers: { cookie } })).server, server);
  },
  { origins: { [first]: login, [second]: login } },
);

page.task(
  'Rules and their priorities',
  async proxy => {
    const ask = async (path: string, headers: Record<string, string>, from = '127.0.0.1') =>
      (await proxy.ask(path, { headers, from })).server;
    assert.is(await ask('/api/x', { host: 'shop.example', 'x-beta': '1' }), second);
    assert.is(await ask('/API', { host: 'shop.example' }), second);
    assert.is(await ask('/x', { host: 'shop.example', 'x-beta': '1' }), third);
    assert.is(await ask('/x?preview=1', { host: 'shop.example' }), first);
    assert.is(await ask('/x?preview=1', { host: 'shop.example' }, '127.0.0.9'), third);
  },
  office,
);

page.task('Weighted target groups', expectStickySplit);

page.task('Fixed responses', async proxy => {
  const { status: code, headers, body } = await proxy.ask('/shop/x');
  assert.equal([code, headers['content-type'], headers['retry-after']], [503, 'text/plain', '600']);
  assert.is(body.toString(), 'Back soon');
});

page.task('Redirects', async proxy => {
  const { status: code, headers } = await proxy.ask('/old/a/b?c=d');
  assert.equal([code, headers.location], [301, 'https://www.shop.example/archive/old/a/b?c=d']);
});

page.task('Rewrites', async proxy => {
  const { asked } = await proxy.ask('/v1/a?b=c');
  assert.equal([asked.url, asked.headers.host], ['/v2/a?b=c', 'app.internal']);
});

page.task(
  'Authentication',
  async proxy => {
    const { asked } = await proxy.ask('/account/a', {
      headers: { cookie: 'in=1', 'x-auth-request-user': 'eve' },
    });
    assert.is(asked.headers['x-auth-request-user'], 'ada');
    assert.is((await proxy.ask('/account/a')).status, 401);
    assert.is((await proxy.ask('/a')).server, first);
  },
  { origins: { '10.0.0.9:4180': signIn(202, 'X-Auth-Request-User') } },
);

page.task('Client certificates', async proxy => {
  const { asked } = await askWithCertificate(proxy);
  assert.match(String(asked.headers['x-forwarded-client-cert']), /(?=.*CN=build-7).*Cert=/);
  assert.is(await askWithoutCertificate(proxy), 'no handshake');
});

page.task(
  'X-Forwarded headers and Host',
  async proxy => {
    const headers = { host: 'shop.example', 'x-forwarded-for': '203.0.113.5' };
    const of = async (from: string) => (await proxy.ask('/', { from, headers })).asked.headers;
    assert.is((await of('127.0.0.9'))['x-forwarded-for'], '203.0.113.5, 127.0.0.9');
    const told = await of('127.0.0.8');
    assert.equal([told['x-forwarded-for'], told.host], ['127.0.0.8', 'shop.example']);
    assert.is(told['x-forwarded-host'], 'shop.example');
  },
  office,
);

page.task('Response headers', async proxy => {
  const how = { port: 443, servername: 'origin.test', headers: { origin: 'https://shop.example' } };
  const { headers } = await proxy.ask('/', how);
  assert.is(headers['strict-transport-security'], 'max-age=31536000');
  assert.equal([headers['x-frame-options'], headers['x-content-type-options']], ['DENY', 'nosniff']);
  assert.equal(
    [headers['access-control-allow-origin'], headers['server']],
    ['https://shop.example', undefined],
  );
});

page.task('Timeouts', async proxy => assert.is((await proxy.ask('/')).status, 504), {
  replace: [['response: 120s', 'response: 200ms']],
  origins: { [first]: () => {} },
});

await grpcTask(page, test, 'gRPC');

page.task(
  'Behind a Network Load Balancer',
  async proxy => {
    const ask = async (from: string) =>
      await exchange(proxy, introduced, { port: 8080, from }).catch(() => '');
    assert.match(await ask('127.0.0.9'), '"x-forwarded-for":"203.0.113.6"');
    assert.is(await ask('127.0.0.8'), '');
  },
  office,
);

page.task(
  'IP rules and rate limits',
  async proxy => {
    assert.is((await proxy.ask('/', { from: '127.0.0.9' })).status, 403);
    await expectRateLimit(proxy, { sent: 40, passed: 10 });
  },
  office,
);

page.task('Targets at run time, and metrics', async proxy => {
  assert.match(await proxy.shell(), /"ttl".*# TYPE weldr_/s);
  assert.equal(await proxy.servers(2), [second, second]);
});

page.allTasksAreTried();
