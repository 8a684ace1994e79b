// A rolling restart under load: each origin is drained, killed, restarted and made active again. Nothing is lost.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { Admin } from './support/admin.ts';
import { executedTwice, startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: servers that come and go', { timeoutMs: 900_000, testTimeoutMs: 300_000 });

test('loses nothing when all origins are drained and restarted one after another', async () => {
  const origins = await startOrigins(3);
  const weldr = await startChaos({ origins });
  const admin = new Admin(weldr);
  const options = { port: portOf(weldr), clients: 12, pauseMs: size(5, 0), downloads: 2, tunnels: 2 };
  const load = await Load.during(options, async running => {
    for (let round = 0; round < size(1, 5); round++) {
      for (const origin of origins) {
        await running.requestsMore(size(200, 2_000));
        await admin.set(origin, 'draining');
        await origin.kill();
        await origin.start();
        await admin.set(origin, 'active');
        await admin.until(origin, 'active');
      }
    }
    await running.requestsMore(200);
  });

  assert.is(load.failures.length, 0, load.summary());
  assert.equal(executedTwice(origins), []);
  figure(`rolling restart of 3 origins, ${size(1, 5)} times: ${load.requests} requests, 0 lost`);
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

test('loses nothing while servers are added and removed', async () => {
  const origins = await startOrigins(4);
  const [stays, ...others] = origins;
  if (stays === undefined) throw new Error('there is no origin');
  const weldr = await startChaos({ origins: [stays] });
  const admin = new Admin(weldr);
  const options = { port: portOf(weldr), clients: 12, pauseMs: size(5, 0), downloads: 2, tunnels: 2 };
  const load = await Load.during(options, async running => {
    for (let round = 0; round < size(1, 10); round++) {
      for (const origin of others) {
        await admin.add(origin);
        await running.requestsMore(size(100, 500));
      }
      for (const origin of others) {
        await admin.remove(origin);
        await origin.kill();
        await running.requestsMore(size(100, 500));
        await origin.start();
      }
    }
  });

  assert.is(load.failures.length, 0, load.summary());
  assert.equal(executedTwice(origins), []);
  figure(`${size(1, 10) * 3} servers added and removed: ${load.requests} requests, 0 lost`);
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});
