// error-pages in a real Weldr: errors of all kinds, to HEAD, in HTTP/2, and on connections that stay open.
import * as assert from 'uvu/assert';
import { errorPages, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { statusOf, valuesOf } from '../../wire/support/strict-message.ts';

const test = suite('error-pages with real traffic');

test('gives every error its page, whatever caused it, and keeps connections usable', async () => {
  const origin = await startOrigin();
  const pages = { '4xx': { 'text/html': 'yours {status}' }, '5xx': { 'text/html': 'ours {status}' } };
  const plugins = [roundRobin(), retry(), errorPages({ pages, ofServers: true })];
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins }, async ({ port, url }) => {
      const client = await RawClient.open(port);
      const targets = ['/status/404', '/', '/status/500', '/status/404', '/'];
      client.send(targets.map(target => `GET ${target} HTTP/1.1\r\nHost: a.test\r\n\r\n`).join(''));
      const messages = await client.responses(...targets.map(() => 'GET'));
      assert.equal(
        messages.map(message => [statusOf(message), message.body]),
        [
          [404, 'yours 404'],
          [200, origin.name],
          [500, 'ours 500'],
          [404, 'yours 404'],
          [200, origin.name],
        ],
      );
      client.close();
      for (const [request, status, body] of [
        ['HEAD /status/404 HTTP/1.1\r\nHost: a.test\r\n\r\n', 404, ''],
        ['GET / hello\r\n\r\n', 400, 'yours 400'],
        ['TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n', 405, 'yours 405'],
      ] as const) {
        const other = await RawClient.open(port);
        other.send(request);
        const message = await other.response(request.slice(0, request.indexOf(' ')));
        assert.equal([statusOf(message), message.body], [status, body]);
        if (status === 404) assert.equal(valuesOf(message, 'content-length'), ['9']);
        other.close();
      }
      const h2 = await h2Exchange(url, { ':path': '/status/503' });
      assert.equal([h2.status, h2.body.toString()], [503, 'ours 503']);
      await origin.close();
      const failed = await h2Exchange(url);
      assert.equal([failed.status, failed.body.toString()], [502, 'ours 502']);
    });
  } finally {
    await origin.close();
  }
});
