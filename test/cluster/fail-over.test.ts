// The short scenarios of a fail-over, in network namespaces; `npm run test:cluster` plays all of them.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { whyNoEtcd } from './etcd-cluster.ts';
import { KeptClient } from './kept-client.ts';
import { whyNoLab } from './lab.ts';
import { play } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { serviceAddress, servicePort } from './site.ts';
import { World } from './world.ts';

const test = suite('fail-over', { timeoutMs: 240_000, testTimeoutMs: 120_000, alone: true });
const missing = whyNoLab() ?? whyNoEtcd();
let world: World | undefined;

if (missing === undefined) {
  test.before(async () => {
    world = await World.start();
  });
  test.after(async () => {
    await world?.close();
  });
}

const planned =
  'a hand-over by command or at a stop breaks no request on a kept connection, and refuses none';
const plannedBody = async () => {
  if (world === undefined) throw new Error('the world did not start');
  await world.settled();
  const client = new KeptClient(world.clientMachine, serviceAddress, servicePort);
  try {
    for (const how of ['hand-over', 'stop'] as const) {
      const { active } = world;
      await until('it is answered', () => client.answersSince(0) > 200, 20_000);
      const from = Date.now();
      if (how === 'stop') await active.signal('SIGTERM');
      // At first it may not know the other node.
      else await until(how, async () => (await active.weldr('cluster', 'hand-over')).code === 0, 20_000);
      const moved = Date.now();
      await until('it is answered by the other', () => client.answersSince(moved) > 200, 20_000);
      await sleep(500);
      console.log(`${how}: the longest gap was ${client.longestGap(from)} ms`);
      assert.equal(client.troublesSince(from), [], how);
      assert.is.not(world.active.name, active.name);
    }
  } finally {
    client.close();
  }
  for (const node of world.nodes) if (!node.runs) node.start();
};
if (missing === undefined) test(planned, plannedBody);
else test.skip(planned, missing, plannedBody);

for (const scenario of scenarios.filter(({ short }) => short)) {
  const body = async () => {
    if (world === undefined) throw new Error('the world did not start');
    const { error, overlaps, lost, failed, changes } = await play(world, scenario);
    assert.is(error, undefined, 'it is played to its end, and all is restored');
    assert.equal(overlaps, [], 'two machines never hold the address');
    assert.equal(lost, [], 'no acknowledged change of the pool is lost');
    assert.is(failed, 0, 'every request is answered in the end');
    assert.ok(changes > 0);
  };
  if (missing === undefined) test(scenario.name, body);
  else test.skip(scenario.name, missing, body);
}
