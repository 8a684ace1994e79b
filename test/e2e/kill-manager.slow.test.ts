// SIGKILL of a manager at any moment: every acknowledged route, pool and server exists at the next start.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { freePort } from '../support/ports.ts';
import { randomOf } from '../support/random.ts';
import { suite } from '../support/suite.ts';
import { makeFolder, startWeldr } from '../support/weldr.ts';
import { AcknowledgedChanges } from './acknowledged-changes.ts';

const test = suite('a manager that is killed', { timeoutMs: 900_000, testTimeoutMs: 890_000 });

const rounds = 30;
const random = randomOf(Date.now());

test(`keeps every acknowledged route, pool and server over ${rounds} kills in the middle of changes`, async () => {
  const folder = makeFolder();
  const config = `
    import { defineConfig } from 'weldr';
    import { adminApi, poolFile, roundRobin, routes } from 'weldr/plugins';
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 1,
      plugins: [
        routes([]), roundRobin(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${await freePort()}' }),
      ],
    });`;
  const changes = new AcknowledgedChanges();
  try {
    for (let round = 0; round < rounds; round++) {
      const weldr = await startWeldr({ config, folder });
      assert.equal(await changes.missing(weldr.adminUrl), [], `round ${round}`);
      let over = false;
      const running = changes.run([weldr.adminUrl], () => over);
      await sleep(random(400));
      over = true;
      await weldr.kill({ keep: true });
      await running;
    }
    const weldr = await startWeldr({ config, folder });
    assert.equal(await changes.missing(weldr.adminUrl), []);
    assert.ok(changes.answered > rounds * 5, `${changes.answered} changes were answered`);
    await weldr.stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
