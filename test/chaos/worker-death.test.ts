// Workers are killed under load: only the requests in flight are lost, and after a second nothing is.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { executedTwice, startOrigins } from './support/chaos-origin.ts';
import { portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: the death of workers', { timeoutMs: 900_000, testTimeoutMs: 600_000 });

test('a killed worker loses only its requests in flight, and after a second nothing', async () => {
  const kills = size(2, 20);
  const clients = 12;
  const origins = await startOrigins(3);
  const weldr = await startChaos({ origins });
  const options = { port: portOf(weldr), clients, pauseMs: size(5, 0) };
  let worst = 0;
  const load = await Load.during(options, async running => {
    for (let n = 0; n < kills; n++) {
      await running.requestsMore(size(200, 1_000));
      const before = running.failures.length;
      const killedAt = performance.now();
      const workers = weldr.workers();
      const victim = workers[n % workers.length];
      if (victim === undefined) throw new Error('there is no worker');
      process.kill(victim, 'SIGKILL');
      await until('the worker is replaced', () => {
        const now = weldr.workers();
        return now.length === workers.length && !now.includes(victim);
      });
      await sleep(1_200);
      await running.requestsMore(size(100, 1_000));

      const lost = running.failures.slice(before);
      // A client loses the response that it waits for, or finds its kept connection closed: once, then it opens a new one.
      assert.ok(lost.length <= clients, `${lost.length} requests were lost:\n${running.summary(lost)}`);
      for (const failure of lost) {
        assert.is(failure.kind, 'lost', `${failure.method} ${failure.target}: ${failure.why}`);
        assert.ok(failure.endedAt - killedAt < 1_000, `one was lost after ${failure.endedAt - killedAt} ms`);
        worst = Math.max(worst, failure.endedAt - killedAt);
      }
    }
  });

  assert.equal(executedTwice(origins), []);
  figure(
    `${kills} workers killed: ${load.requests} requests, ${load.failures.length} lost in flight, ` +
      `the last of them ${Math.round(worst)} ms after a kill`,
  );
  await weldr.stop();
  const defects = weldr.logs.filter(({ level, msg }) => level >= 60 || /uncaught|unhandled/i.test(msg));
  assert.equal(defects, []);
  await Promise.all(origins.map(origin => origin.kill()));
});
