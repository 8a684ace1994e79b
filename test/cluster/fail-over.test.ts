// The short scenarios of a fail-over, in network namespaces; `npm run test:cluster` plays all of them.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { whyNoEtcd } from './etcd-cluster.ts';
import { whyNoLab } from './lab.ts';
import { play } from './scenario.ts';
import { scenarios } from './scenarios.ts';
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

for (const scenario of scenarios.filter(({ short }) => short)) {
  const body = async () => {
    if (world === undefined) throw new Error('the world did not start');
    const { error, overlaps, lost, failed, changes } = await play(world, scenario);
    assert.is(error, undefined, 'it is played to its end, and all is whole again');
    assert.equal(overlaps, [], 'two machines never hold the address');
    assert.equal(lost, [], 'no acknowledged change of the pool is lost');
    assert.is(failed, 0, 'every request is answered by somebody in the end');
    assert.ok(changes > 0);
  };
  if (missing === undefined) test(scenario.name, body);
  else test.skip(scenario.name, missing, body);
}
