// circuit-breaker in a real Weldr: open for every protocol and spelling of its scope, closed when servers recover.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { circuitBreaker, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('circuit-breaker with real traffic');

test('opens when no server can be reached, spares the servers, and closes when they are back', async () => {
  const origin = await startOrigin();
  const breaker = when({ path: '/api/*' }, circuitBreaker({ minRequests: 5, rest: '300ms', passes: 2 }));
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  const plugins = [roundRobin(), retry(), breaker];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins }, async ({ url }) => {
      const statusOf = async (path: string) => (await fetchOnce(url + path)).status;
      assert.is(await statusOf('/api/x'), 200);
      await origin.close();
      await until('it is open', async () => (await statusOf('/api/x')) === 503);
      await origin.reopen();
      const { requests } = origin;
      assert.is(await statusOf('/other'), 200);
      // It may be half-open by now: either the request is turned away, or it is a trial that a server answers.
      for (const path of ['/api', '/%61pi/y', '/API/x/../z'])
        assert.ok([200, 503].includes((await h2Exchange(url, { ':path': path })).status ?? 0), path);
      await until('it is closed', async () => {
        const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf('/api/x')));
        return statuses.every(status => status === 200);
      });
      assert.ok(origin.requests > requests);
    });
  } finally {
    await origin.close();
  }
});

test('turns away all spellings and protocols while it is open, without asking a server', async () => {
  const origin = await startOrigin();
  const breaker = when({ path: '/status/*' }, circuitBreaker({ minRequests: 3, rest: '1h' }));
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins: [breaker, roundRobin()] }, async ({ url }) => {
      const statuses: number[] = [];
      for (let n = 0; n < 4; n++) statuses.push((await fetchOnce(`${url}/status/502`)).status);
      assert.equal(statuses, [502, 502, 502, 503]);
      assert.is(origin.requests, 3);
      for (const path of ['/status/200', '/%73tatus/200', '/STATUS', '/status/x/../200']) {
        assert.is((await fetchOnce(url + path)).status, 503, path);
        assert.is((await h2Exchange(url, { ':path': path })).status, 503, path);
      }
      assert.is(origin.requests, 3);
    });
  } finally {
    await origin.close();
  }
});
