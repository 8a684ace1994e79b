// A server that is added while it boots and answers 503: which requests it may fail.
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('a server that boots, end to end');

for (const workers of [0, 2]) {
  test(`gets no request before it has passed, with initial: 'check' and ${workers} workers`, async () => {
    const [ready, booting] = [await startOrigin({ name: 'ready' }), await startOrigin({ name: 'booting' })];
    booting.healthStatus = 503;
    const weldr = await startWeldr({
      config: `
        import { defineConfig } from 'weldr';
        import { adminApi, healthCheck, roundRobin } from 'weldr/plugins';
        export default defineConfig({
          listen: '127.0.0.1:0', workers: ${workers}, servers: ['${ready.url}'],
          plugins: [
            roundRobin(),
            healthCheck({ initial: 'check', interval: '100ms', timeout: '1s', path: '/health' }),
            adminApi({ listen: '127.0.0.1:0' }),
          ],
        });`,
    });
    const answers = async (requests: number): Promise<Set<string>> => {
      const all = new Set<string>();
      for (let n = 0; n < requests; n++) {
        const answer = await fetch(weldr.url);
        all.add(`${answer.status} ${await answer.text()}`);
      }
      return all;
    };
    try {
      await until('the first check', async () => (await fetch(weldr.url)).status === 200);
      const added = await fetch(`${weldr.adminUrl}/servers`, {
        method: 'POST',
        body: JSON.stringify({ url: booting.url }),
      });
      const { state, reason } = (await added.json()) as { state: string; reason: string };
      // Its first check may be over when all workers know it.
      assert.is(state, 'down');
      assert.match(reason, /^health-check: (not checked yet|status 503, expected 2xx)$/);
      assert.equal([...(await answers(40))], ['200 ready']);
      await until('some failed checks', async () => booting.requests >= 3);
      assert.equal([...(await answers(40))], ['200 ready']);
      booting.healthStatus = 200;
      await until('it gets requests', async () => (await answers(2)).has('200 booting'));
    } finally {
      await weldr.stop();
      await ready.close();
      await booting.close();
    }
  });
}
