// concurrency-limit in a real Weldr: no server ever has more requests at once, in any protocol and spelling of a path.
import type { RequestListener } from 'node:http';
import * as assert from 'uvu/assert';
import { type Plugin, when } from '../../../config/index.ts';
import { concurrencyLimit, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('concurrency-limit with real traffic');

const listen = [{ address: '127.0.0.1:0', h2c: true }];

/** Answers the requests that it holds when a test says so. */
function holding() {
  const held: (() => void)[] = [];
  const seen: string[] = [];
  const handle: RequestListener = ({ url = '' }, response) => {
    seen.push(url);
    held.push(() => response.end('served'));
  };
  return { held, seen, handle };
}

/** Counts the requests that have come, and names those whose clients have left. */
function watching() {
  const watched = { come: 0, left: [] as string[] };
  const plugin: Plugin = {
    name: 'watching',
    worker({ hooks }) {
      hooks.request.tap('watching', () => {
        watched.come++;
        return undefined;
      });
      hooks.finished.tap('watching', ctx => {
        if (ctx.outcome === 'aborted') watched.left.push(ctx.request.target);
      });
    },
  };
  return { watched, plugin };
}

test('lets no more through at once, drops clients that leave, and serves those that wait', async () => {
  const { held, seen, handle } = holding();
  const { watched, plugin } = watching();
  const origin = await startOrigin({ handle });
  const limit = when({ path: '/slow' }, concurrencyLimit({ max: 2, queue: 3, queueTimeout: '25s' }));
  const plugins = [plugin, roundRobin(), retry(), limit];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins }, async ({ url }) => {
      const first = [fetchOnce(`${url}/slow`), h2Exchange(url, { ':path': '/%73low/' })];
      await until('two are served', () => held.length === 2);
      const leaving = new AbortController();
      const left = fetchOnce(`${url}/SLOW`, { signal: leaving.signal }).catch(() => 'left');
      const waiting = [fetchOnce(`${url}/slow/?a`), h2Exchange(url, { ':path': '/slow?b' })];
      await until('the line is full', () => watched.come === 5);
      assert.is((await fetchOnce(`${url}/slow`)).status, 503);
      assert.is((await h2Exchange(url, { ':path': '/slow/' })).status, 503);
      const outside = fetchOnce(`${url}/other`);
      await until('what is out of its scope is served', () => held.length === 3);
      held.pop()?.();
      assert.is((await outside).status, 200);

      leaving.abort();
      assert.is(await left, 'left');
      await until('it has left the line', () => watched.left.includes('/SLOW'));
      for (let n = 0; n < 2; n++) held.shift()?.();
      await until('those who waited are served', () => held.length === 2);
      for (let n = 0; n < 2; n++) held.shift()?.();
      assert.equal(
        (await Promise.all([...first, ...waiting])).map(({ status }) => status),
        [200, 200, 200, 200],
      );
      assert.not.ok(seen.includes('/SLOW'), 'no server gets the request of a client that left');
    });
  } finally {
    await origin.close();
  }
});
