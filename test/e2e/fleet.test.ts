// Servers' zones and maxConnections under traffic, with real processes, set and changed while Weldr runs.
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('zones and maxConnections, end to end');

const origins: Origin[] = [];
test.before(async () => {
  for (const name of ['one', 'two']) origins.push(await startOrigin({ name }));
});
test.after(async () => {
  for (const origin of origins) await origin.close();
});

test('a Weldr of a zone uses the servers there, and a server never has more than its maxConnections', async () => {
  const [one, two] = origins;
  assert.ok(one && two);
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { adminApi, leastRequests } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 2,
        servers: [{ url: '${one.url}', zone: 'a' }, { url: '${two.url}', zone: 'b' }],
        plugins: [leastRequests(), adminApi({ listen: '127.0.0.1:0' })],
      });`,
    env: { WELDR_ZONE: 'b' },
  });
  try {
    const answerOf = async (): Promise<string> => await (await fetch(weldr.url)).text();
    for (let n = 0; n < 12; n++) assert.is(await answerOf(), 'two');

    const added = await fetch(`${weldr.adminUrl}/servers`, {
      method: 'POST',
      body: JSON.stringify({ url: one.url, zone: 'b', maxConnections: 3 }),
    });
    const { zone, maxConnections } = (await added.json()) as Record<string, unknown>;
    assert.equal([added.status, zone, maxConnections], [200, 'b', 3]);
    await until('both answer', async () => (await answerOf()) === 'one');
    const patched = await fetch(`${weldr.adminUrl}/servers/127.0.0.1/${two.port}`, {
      method: 'PATCH',
      body: '{"state": "disabled"}',
    });
    assert.is(patched.status, 200);
    await until('one of them answers', async () => (await answerOf()) === 'one');
    one.delayMs = 20;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, one.inFlight);
    }, 1);
    const asked = await Promise.all(Array.from({ length: 40 }, async () => (await fetch(weldr.url)).status));
    clearInterval(watch);
    assert.equal(new Set(asked), new Set([200]));
    assert.ok(most >= 1 && most <= 3, `${most} at once`);
  } finally {
    await weldr.stop();
  }
});
