// rate-limit in a real Weldr: over worker processes and a reload; no protocol, spelling or order gets past it.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { rateLimit, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { startWeldr } from '../../support/weldr.ts';
import { RawClient } from '../../wire/support/raw-client.ts';

const test = suite('rate-limit with real traffic');

const config = (origin: string) => `
import { defineConfig } from 'weldr';
import { rateLimit, roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: { address: '127.0.0.1:0', h2c: true }, workers: 2, servers: ['${origin}'],
  plugins: [rateLimit({ rate: 1, per: '1h', burst: 40, fields: 'draft' }), roundRobin()],
});`;

test('allows its rate over two worker processes, in both protocols, and continues after a reload', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url) });
  try {
    const statuses: number[] = [];
    let lastAllowed = 0;
    const ask = async (n: number): Promise<void> => {
      // A connection each, which any of the workers takes.
      const status = n % 2 === 0 ? (await h2Exchange(weldr.url)).status : (await fetchOnce(weldr.url)).status;
      if (status === 200) lastAllowed = performance.now();
      statuses.push(status ?? 0);
    };
    // What one worker has left reaches the other after a moment, longer on a busy machine; until then the other refuses.
    const isUsedUp = () =>
      statuses.length >= 72 && !statuses.slice(-32).includes(200) && performance.now() - lastAllowed > 1_000;
    for (let n = 0; !isUsedUp(); n += 4) await Promise.all([ask(n), ask(n + 1), ask(n + 2), ask(n + 3)]);
    const allowed = statuses.filter(status => status === 200).length;
    assert.equal(new Set(statuses), new Set([200, 429]));
    assert.is(origin.requests, allowed);
    // Each worker allows one more to a client that is new to it.
    assert.ok(allowed >= 38 && allowed <= 42, `${allowed} of 40`);

    const { headers } = await fetchOnce(weldr.url);
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.match(headers.get('ratelimit') ?? '', /^"default";r=0;t=\d+$/);

    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    let more = 0;
    for (let n = 0; n < 12; n++) if ((await fetchOnce(weldr.url)).status === 200) more++;
    assert.ok(more <= 2, `${more} after the reload`);
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('counts its paths in every spelling and protocol together, wherever it is, and no retry', async () => {
  const origin = await startOrigin();
  const dead = `http://127.0.0.1:${await freePort()}`;
  const limit = () => when({ path: '/login' }, rateLimit({ rate: 1, per: '1h', burst: 4 }));
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  try {
    for (const plugins of [
      [limit(), roundRobin(), retry({ minimum: 1_000, budget: 1 })],
      [retry({ minimum: 1_000, budget: 1 }), roundRobin(), limit()],
    ]) {
      await withWeldr({ listen, servers: [dead, origin.url], plugins }, async ({ port, url }) => {
        const raw = async (path: string): Promise<string> => {
          const client = await RawClient.open(port);
          client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
          const { line } = await client.response();
          client.close();
          return line;
        };
        for (const path of ['/login', '/LOGIN', '/%6cogin', '/login?a'])
          assert.match(await raw(path), / (?:200|404) /, path);
        for (const path of [
          '/login',
          '/login/',
          '/%6Cogin',
          '/x/%2e%2e/login',
          '/login?x',
          '/x/../login',
          '//login',
          '/login;a',
        ])
          assert.match(await raw(path), / (?:429|400) /, path);
        for (const path of ['/login', '/%6cogin', '/LOGIN/'])
          assert.is((await h2Exchange(url, { ':path': path })).status, 429, path);
        assert.match(await raw('/open'), / (?:200|404) /);
      });
    }
  } finally {
    await origin.close();
  }
});

test('limits its pool, whichever way a request gets there', async () => {
  const origin = await startOrigin();
  const api = { servers: [origin.url], plugins: [rateLimit({ rate: 1, per: '1h', burst: 2 })] };
  try {
    await withWeldr(
      { pools: { default: { servers: [], fallback: 'api' }, api }, plugins: [roundRobin()] },
      async ({ url }) => {
        const statuses = [await fetchOnce(url), await fetchOnce(url), await fetchOnce(url)];
        assert.equal(
          statuses.map(({ status }) => status),
          [200, 200, 429],
        );
      },
    );
  } finally {
    await origin.close();
  }
});
