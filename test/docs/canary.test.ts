// The example canary, in a real Weldr between real clients and origins.
import * as assert from 'uvu/assert';
import { canary } from '../../docs/examples/canary.ts';
import { roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';

const test = suite('the example canary');

let old: Origin;
let next: Origin;
test.before(async () => {
  [old, next] = [await startOrigin({ name: 'old' }), await startOrigin({ name: 'next' })];
});
test.after(() => Promise.all([old.close(), next.close()]));

const config = (percent: number, servers = [next.url]) => ({
  servers: [old.url],
  pools: { next: { servers, fallback: 'default' } },
  forwarded: { trusted: ['127.0.0.1'] },
  plugins: [canary({ pool: 'next', percent }), roundRobin()],
});

const ask = async (url: string, headers: Record<string, string> = {}): Promise<string> =>
  (await fetch(url, { headers })).text();

/** Returns which of 200 clients are sent to the new version. */
async function chosen(url: string): Promise<Set<string>> {
  const clients = Array.from({ length: 200 }, (_, i) => `10.1.0.${i}`);
  const asked = clients.map(async client =>
    (await ask(url, { 'x-forwarded-for': client })) === 'next' ? [client] : [],
  );
  return new Set((await Promise.all(asked)).flat());
}

test('sends all requests, none, or those with the header', async () => {
  await withWeldr(config(0), async ({ url }) => {
    assert.is(await ask(url), 'old');
    assert.is(await ask(url, { 'X-Canary': 'always' }), 'next');
    assert.is(await ask(url, { 'x-canary': 'perhaps' }), 'old');
  });
  await withWeldr(config(100), async ({ url }) => {
    assert.is(await ask(url), 'next');
    assert.is(await ask(url, { 'X-Canary': 'never' }), 'old');
  });
});

test('sends a share of the clients, always the same ones, and keeps them when the share grows', async () => {
  let few = new Set<string>();
  await withWeldr(config(10), async ({ url }) => {
    few = await chosen(url);
    assert.equal(await chosen(url), few);
  });
  assert.ok(few.size > 8 && few.size < 35, `${few.size} of 200 at 10 %`);
  await withWeldr(config(50), async ({ url }) => {
    const more = await chosen(url);
    assert.ok(more.size > 75 && more.size < 125, `${more.size} of 200 at 50 %`);
    assert.ok(few.isSubsetOf(more));
  });
});

test('answers every client when the new version is gone', async () => {
  await withWeldr(config(100, []), async ({ url }) => assert.is(await ask(url), 'old'));
});
