// The example security-headers, in a real Weldr, on all kinds of responses that a client can get.
import * as assert from 'uvu/assert';
import { reply, when } from '../../config/index.ts';
import { securityHeaders } from '../../docs/examples/security-headers.ts';
import { ipFilter, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { statusOf, valuesOf } from '../wire/support/strict-message.ts';

const test = suite('the example security-headers');

let origin: Origin;
let deadPort = 0;
test.before(async () => {
  deadPort = await freePort();
  origin = await startOrigin({
    handle(request, response) {
      if (request.url === '/framed') response.setHeader('X-Frame-Options', 'SAMEORIGIN');
      response.statusCode = request.url === '/missing' ? 404 : 200;
      if (request.url === '/cut') response.destroy();
      else response.end('a body');
    },
  });
});
test.after(() => origin.close());

/** Chooses the pool that the path names, or throws. */
const byPath = {
  name: 'by-path',
  worker({ hooks, pools }: Parameters<NonNullable<ReturnType<typeof roundRobin>['worker']>>[0]) {
    hooks.route.tap('by-path', ctx => {
      if (ctx.request.path === '/broken') throw new Error('a defect');
      return pools.get(ctx.request.path.slice(1));
    });
    hooks.postProxy.tap('by-path', ctx => (ctx.request.path === '/teapot' ? reply(418) : undefined));
  },
};

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

const cases: readonly (readonly [what: string, status: number, request: string])[] = [
  ['an upstream', 200, get('/')],
  ['an upstream that has no such page', 404, get('/missing')],
  ['an upstream, to HEAD', 200, 'HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['a plugin at admission', 403, get('/closed')],
  ['a plugin after the upstream', 418, get('/teapot')],
  ['a plugin that failed', 500, get('/broken')],
  ['Weldr, as the upstream cannot be reached', 502, get('/dead')],
  ['Weldr, as the upstream broke off', 502, get('/cut')],
  ['Weldr, as there is no upstream', 503, get('/empty')],
  ['Weldr, to TRACE', 405, 'TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  ['Weldr, to OPTIONS *', 200, 'OPTIONS * HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 0\r\n\r\n'],
  ['Weldr, to an unknown version', 505, 'GET / HTTP/3.0\r\nHost: a.test\r\n\r\n'],
  ['Weldr, to no HTTP at all', 400, 'hello\r\n\r\n'],
  ['Weldr, to two hosts', 400, 'GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n'],
  ['Weldr, to a path that a when cannot read', 400, get('/a/..%2fclosed')],
  ['Weldr, to a long target', 414, get(`/${'a'.repeat(20_000)}`)],
  ['Weldr, to many fields', 431, `GET / HTTP/1.1\r\nHost: a.test\r\n${'X: y\r\n'.repeat(300)}\r\n`],
  [
    'Weldr, to an unknown coding',
    501,
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: br, chunked\r\n\r\n',
  ],
  [
    'Weldr, to a broken chunk',
    400,
    'POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ],
];

/** Sends a request on its own connection, and expects a response with each field once. */
async function expectFields(port: number, what: string, status: number, request: string): Promise<void> {
  const client = await RawClient.open(port);
  client.send(request);
  const response = await client.response(request.slice(0, request.indexOf(' ')));
  assert.is(statusOf(response), status, what);
  for (const name of ['Strict-Transport-Security', 'X-Content-Type-Options', 'X-Frame-Options']) {
    assert.is(valuesOf(response, name).length, 1, `${name} of a response of ${what}`);
  }
  client.close();
}

test('are on every response, once, whatever made it', async () => {
  const config = {
    servers: [origin.url],
    pools: { dead: [`http://127.0.0.1:${deadPort}`], empty: [] },
    plugins: [
      securityHeaders(),
      when({ path: '/closed' }, ipFilter({ deny: ['127.0.0.1'] })),
      byPath,
      roundRobin(),
    ],
  };
  await withWeldr(config, async ({ port }) => {
    for (const [what, status, request] of cases) await expectFields(port, what, status, request);
  });
  // Separate, because on a busy machine so short a timeout could affect the others.
  await withWeldr({ timeouts: { header: '300ms' }, plugins: [securityHeaders()] }, async ({ port }) => {
    await expectFields(port, 'Weldr, to half a request', 408, 'GET / HTT');
  });
});

test('keep the fields of an upstream, and refuse values that cannot be sent', async () => {
  await withWeldr({ servers: [origin.url], plugins: [securityHeaders(), roundRobin()] }, async ({ url }) => {
    assert.is((await fetch(`${url}/framed`)).headers.get('x-frame-options'), 'SAMEORIGIN');
  });
  await withWeldr({ plugins: [securityHeaders({ headers: { 'X-A': 'b\r\nX-C: d' } })] }, async () => {}).then(
    () => assert.unreachable('it started'),
    error => assert.match(String(error), /security-headers.*X-A/s),
  );
});
