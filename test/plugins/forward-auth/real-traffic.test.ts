// forward-auth in a real Weldr: no order, spelling, protocol or retry gets past it, and it forgets clients that leave.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { forwardAuth, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { RawClient } from '../../wire/support/raw-client.ts';

const test = suite('forward-auth with real traffic');

const listen = [{ address: '127.0.0.1:0', h2c: true }];

test('guards its paths in every spelling and protocol, wherever it is, and the body goes only to the server', async () => {
  const origin = await startOrigin();
  const auth = await startOrigin({
    handle({ headers }, response) {
      if (headers['cookie'] === 'session=1') response.setHeader('x-user', 'ada').end();
      else response.writeHead(302, { location: 'https://login.test/' }).end();
    },
  });
  const dead = `http://127.0.0.1:${await freePort()}`;
  const guard = when(
    { path: ['/headers', '/echo'] },
    forwardAuth({ url: auth.url, responseHeaders: ['X-User'] }),
  );
  try {
    for (const plugins of [
      [guard, roundRobin(), retry()],
      [retry(), roundRobin(), guard],
    ]) {
      await withWeldr({ listen, servers: [dead, origin.url], plugins }, async ({ port, url }) => {
        const before = origin.requests;
        for (const path of [
          '/headers',
          '/HEADERS/',
          '/%68eaders',
          '//headers',
          '/x/../headers',
          '/headers;a',
        ]) {
          const client = await RawClient.open(port);
          client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\nCookie: session=2\r\n\r\n`);
          assert.match((await client.response()).line, / (302|400) /, path);
          client.close();
          assert.match(String((await h2Exchange(url, { ':path': path })).status), /^(302|400)$/, path);
        }
        assert.is(origin.requests, before);
        const headers = { cookie: 'session=1', 'x-user': 'root' };
        for (let n = 0; n < 2; n++) {
          const seen = (await (await fetchOnce(`${url}/headers`, { headers })).json()) as Record<
            string,
            string
          >;
          assert.is(seen['x-user'], 'ada');
        }
        const h2 = await h2Exchange(url, { ':path': '/headers', ...headers });
        assert.is(JSON.parse(h2.body.toString())['x-user'], 'ada');
        const body = 'b'.repeat(200_000);
        const echo = await fetchOnce(`${url}/echo`, { method: 'POST', headers, body });
        assert.ok((await echo.text()) === body);
      });
    }
  } finally {
    await Promise.all([origin.close(), auth.close()]);
  }
});

test('cancels the question for a client that leaves, and fails closed when the auth server fails', async () => {
  const origin = await startOrigin();
  const auth = await startOrigin({ handle: () => {} });
  try {
    await withWeldr(
      { servers: [origin.url], plugins: [roundRobin(), forwardAuth({ url: auth.url, concurrency: 3 })] },
      async ({ url }) => {
        const leaving = new AbortController();
        const left = Array.from({ length: 3 }, () =>
          fetchOnce(url, { signal: leaving.signal }).catch(() => 'left'),
        );
        await until('it is asked', () => auth.inFlight === 3);
        assert.is((await fetchOnce(url)).status, 503);
        leaving.abort();
        assert.equal(await Promise.all(left), ['left', 'left', 'left']);
        await until('the questions are abandoned', () => auth.inFlight === 0);
        await auth.close();
        assert.is((await fetchOnce(url)).status, 503);
        assert.is(origin.requests, 0);
      },
    );
  } finally {
    await Promise.all([origin.close(), auth.close()]);
  }
});
