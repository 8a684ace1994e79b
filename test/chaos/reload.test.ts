// Reloads under load: nothing is lost, downloads and tunnels included.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { executedTwice, startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: reloads', { timeoutMs: 900_000, testTimeoutMs: 600_000 });

test('loses no request, download or tunnel over reloads', async () => {
  const reloads = size(3, 20);
  const requests = size(4_000, 100_000);
  const origins = await startOrigins(3);
  const weldr = await startChaos({ origins });
  const options = {
    port: portOf(weldr),
    clients: 16,
    pauseMs: size(5, 0),
    downloads: 4,
    tunnels: 4,
  };
  const load = await Load.during(options, async running => {
    for (let n = 0; n < reloads; n++) {
      await running.requestsMore(requests / reloads);
      const from = weldr.logs.length;
      weldr.signal('SIGHUP');
      await weldr.logged(({ msg }) => /reloaded/.test(msg), { from });
    }
    await running.requestsMore(requests / 10);
  });

  assert.is(load.failures.length, 0, load.summary());
  assert.equal(executedTwice(origins), []);
  assert.ok(load.requests >= requests);
  assert.ok(load.downloads >= 4 && load.tunnels >= 4, `${load.downloads} and ${load.tunnels}`);
  figure(
    `reload: ${reloads} reloads in ${load.requests} requests, ${load.downloads} downloads, ` +
      `${load.tunnels} tunnels: ${load.failures.length} lost`,
  );
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});
