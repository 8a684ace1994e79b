// headers in a real Weldr: on every response that a client can get, in HTTP/1.1 and HTTP/2.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { compress, headers, ipFilter, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { statusOf, valuesOf } from '../../wire/support/strict-message.ts';

const test = suite('headers with real traffic');

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`;

/** By what makes the response: its status, and the request. */
const responses: Readonly<Record<string, readonly [status: number, request: string]>> = {
  'an upstream': [200, get('/x')],
  'another filter': [403, get('/closed')],
  'another filter, for an encoded path': [403, get('/%63losed/')],
  'a when that cannot read the path': [400, get('/a/..%2fclosed')],
  'Weldr, when no server can be reached': [502, get('/dead')],
  'Weldr, to TRACE': [405, 'TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n'],
  'Weldr, to a malformed request line': [400, 'GET / hello\r\n\r\n'],
  'Weldr, to a long target': [414, get(`/${'a'.repeat(20_000)}`)],
};

test('are on every response, wherever the plugin is', async () => {
  const origin = await startOrigin();
  const dead = `http://127.0.0.1:${await freePort()}`;
  const toPool = {
    name: 'to-pool',
    worker: ({ hooks, pools }: Parameters<NonNullable<ReturnType<typeof retry>['worker']>>[0]) =>
      void hooks.route.tap('to-pool', ctx => (ctx.request.path === '/dead' ? pools.get('dead') : undefined)),
  };
  const closed = when({ path: '/closed' }, ipFilter({ deny: ['127.0.0.1'] }));
  const own = headers({
    secure: true,
    request: { set: { 'X-Edge': 'yes' } },
    response: { remove: ['X-Origin'] },
  });
  try {
    for (const plugins of [
      [own, closed, toPool, roundRobin(), retry()],
      [roundRobin(), retry(), toPool, closed, own],
    ]) {
      const listen = [{ address: '127.0.0.1:0', h2c: true }];
      await withWeldr(
        { listen, servers: [origin.url], pools: { dead: [dead] }, plugins },
        async ({ port, url }) => {
          for (const [what, [status, request]] of Object.entries(responses)) {
            const client = await RawClient.open(port);
            client.send(request);
            const message = await client.response(request.slice(0, request.indexOf(' ')));
            assert.is(statusOf(message), status, what);
            assert.equal(
              ['X-Content-Type-Options', 'X-Frame-Options', 'X-Origin'].map(name => valuesOf(message, name)),
              [['nosniff'], ['DENY'], []],
              what,
            );
            client.close();
          }
          const seen = await h2Exchange(url, { ':path': '/headers', x_edge: 'spoofed' });
          assert.equal([seen.headers['x-frame-options'], seen.headers['x-origin']], ['DENY', undefined]);
          const sent: Record<string, string> = JSON.parse(seen.body.toString());
          assert.equal([sent['x-edge'], sent['x_edge']], ['yes', undefined]);
        },
      );
    }
  } finally {
    await origin.close();
  }
});

test('allow no trailer to bring back a field that was removed from or set in the head', async () => {
  const late = { 'X-Secret': 'late', X_Origin: 'late', 'X-Sum': '7' };
  const origin = await startOrigin({
    handle(_, response) {
      response.writeHead(200, {
        Trailer: Object.keys(late).join(),
        'X-Secret': 'early',
        'Content-Type': 'text/plain',
      });
      response.write('hello '.repeat(500));
      response.addTrailers(late);
      response.end();
    },
  });
  const own = headers({ response: { remove: ['X-Secret'], set: { 'X-Origin': 'edge' } } });
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  try {
    // With its framing kept, and through a transform.
    for (const plugins of [
      [own, roundRobin()],
      [own, compress(), roundRobin()],
    ]) {
      await withWeldr({ listen, servers: [origin.url], plugins }, async ({ port, url }) => {
        const client = await RawClient.open(port);
        client.send('GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nAccept-Encoding: gzip\r\n\r\n');
        const message = await client.response('GET');
        assert.equal([valuesOf(message, 'X-Secret'), valuesOf(message, 'X-Origin')], [[], ['edge']]);
        assert.equal(message.trailers, [['X-Sum', '7']]);
        client.close();
        const { trailers } = await h2Exchange(url, { te: 'trailers', 'accept-encoding': 'gzip' });
        assert.equal(
          [trailers?.['x-secret'], trailers?.['x_origin'], trailers?.['x-sum']],
          [undefined, undefined, '7'],
        );
      });
    }
  } finally {
    await origin.close();
  }
});
