// cors in a real Weldr, in HTTP/1.1 and HTTP/2: before filters that refuse, in its scope, for all spellings of a path.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { cors, ipFilter, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';

const test = suite('cors with real traffic');

const page = 'https://shop.test';
const asked = { origin: page, 'access-control-request-method': 'PUT' };
const listen = [{ address: '127.0.0.1:0', h2c: true }];

test('answers preflights before another filter refuses, and lets pages read its refusal', async () => {
  const origin = await startOrigin();
  const refused = ipFilter({ deny: ['127.0.0.1'] });
  const plugins = [when({ path: '/api/*' }, cors({ origins: [page] }), refused), roundRobin(), retry()];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins }, async ({ url }) => {
      for (const path of ['/api', '/API/x', '/%61pi/x']) {
        const preflight = await fetchOnce(url + path, { method: 'OPTIONS', headers: asked });
        assert.equal(
          [preflight.status, preflight.headers.get('access-control-allow-origin')],
          [204, page],
          path,
        );
        const get = await fetchOnce(url + path, { headers: { origin: page } });
        assert.equal([get.status, get.headers.get('access-control-allow-origin')], [403, page], path);
        const h2 = await h2Exchange(url, { ':path': path, ':method': 'OPTIONS', ...asked });
        assert.equal([h2.status, h2.headers['access-control-allow-origin']], [204, page], path);
        const other = await h2Exchange(url, {
          ':path': path,
          ':method': 'OPTIONS',
          ...asked,
          origin: 'null',
        });
        assert.equal([other.status, other.headers['access-control-allow-origin']], [403, undefined], path);
      }
      const outside = await fetchOnce(url, { headers: { origin: page } });
      assert.equal([outside.status, outside.headers.has('access-control-allow-origin')], [200, false]);
      assert.is(origin.requests, 1);
    });
  } finally {
    await origin.close();
  }
});

test('sets which origins may read responses of all kinds, whatever a server says', async () => {
  const origin = await startOrigin({
    handle(_, response) {
      response.setHeader('access-control-allow-origin', '*').setHeader('vary', 'Cookie').end('x');
    },
  });
  try {
    await withWeldr(
      {
        listen,
        servers: [origin.url],
        plugins: [roundRobin(), cors({ origins: [page], credentials: true })],
      },
      async ({ url }) => {
        const good = await h2Exchange(url, { origin: page });
        assert.equal(
          [
            good.headers['access-control-allow-origin'],
            good.headers['access-control-allow-credentials'],
            good.headers['vary'],
          ],
          [page, 'true', 'Cookie, Origin'],
        );
        const evil = await fetchOnce(url, { headers: { origin: 'https://evil.test' } });
        assert.equal(
          [evil.headers.has('access-control-allow-origin'), evil.headers.get('vary')],
          [false, 'Cookie, Origin'],
        );
        await origin.close();
        const failed = await fetchOnce(url, { headers: { origin: page } });
        assert.equal([failed.status, failed.headers.get('access-control-allow-origin')], [502, page]);
      },
    );
  } finally {
    await origin.close();
  }
});
