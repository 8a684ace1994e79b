// Failsafe in the lab, with real holder processes: etcd loses its majority, and a manager is frozen meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { whyNoEtcd } from './etcd-cluster.ts';
import { whyNoLab } from './lab.ts';
import { play } from './scenario.ts';
import { scenarios } from './scenarios.ts';
import { World } from './world.ts';
import type { WorldNode } from './world-node.ts';

const test = suite('failsafe in the lab', { timeoutMs: 300_000, testTimeoutMs: 120_000, alone: true });
const longerThanTheLease = 2500;
const missing = whyNoLab() ?? whyNoEtcd();
let started: World | undefined;

if (missing === undefined) {
  test.before(async () => {
    started = await World.start({ failsafe: true });
  });
  test.after(async () => {
    await started?.close();
  });
}

function inLab(behaviour: string, body: (world: World) => Promise<void>): void {
  const run = async () => {
    if (started === undefined) throw new Error('the world did not start');
    // Undoes what a failed test may have left.
    await started.restore();
    await started.settled();
    const from = Date.now();
    await body(started);
    assert.equal(started.watch.overlaps(from), [], 'two machines never hold the address');
  };
  if (missing === undefined) test(behaviour, run);
  else test.skip(behaviour, missing, run);
}

const failsafeOf = async (node: WorldNode) =>
  JSON.parse((await node.admin('GET', '/cluster')).text).failsafe ?? {};

/** Takes etcd's majority away, and waits until `active` leads without it. */
async function loseMajority(world: World, active: WorldNode): Promise<() => Promise<void>> {
  const others = world.nodes.length - 1;
  await until(
    'all others are on the list',
    async () => (await failsafeOf(active)).members?.length === others,
  );
  const lost = world.membersBeside(active).slice(0, 2);
  for (const index of lost) await world.etcd.signal(index, 'SIGKILL');
  await until('it leads without etcd', async () => (await failsafeOf(active)).active);
  return async () => {
    for (const index of lost) world.etcd.startMember(index);
    await world.etcd.ready();
  };
}

inLab('the address stays while etcd has no majority, and afterwards', async world => {
  const scenario = scenarios.find(({ name }) => name === 'etcd has no majority for 12 s, failsafe');
  if (scenario === undefined) throw new Error('there is no such scenario');
  const { error, checks, failed, lost } = await play(world, scenario);
  assert.is(error, undefined);
  const wrong = checks.filter(({ holds }) => !holds);
  assert.equal(wrong, []);
  assert.is(failed, 0, 'every request is answered');
  assert.equal(lost, []);
});

inLab(
  'a manager that is frozen without etcd loses the address, and promises do not give it back',
  async world => {
    const { active } = world;
    const restore = await loseMajority(world, active);
    await active.signal('SIGSTOP');
    // On a busy machine the fence may end it first.
    await sleep(longerThanTheLease);
    assert.equal(world.watch.holders, []);
    await active.signal('SIGCONT');
    await until('it no longer leads', async () => !(await failsafeOf(active)).active);
    await sleep(3000);
    assert.equal(world.watch.holders, [], 'that leadership is over for good');
    await restore();
    await until('a machine has it', () => world.watch.holders.length === 1, 20_000);
  },
);

inLab('a manager that thaws when etcd is back does not become a second holder', async world => {
  const { active } = world;
  const restore = await loseMajority(world, active);
  await active.signal('SIGSTOP');
  // On a busy machine the fence may end it first.
  await sleep(longerThanTheLease);
  assert.equal(world.watch.holders, []);
  await restore();
  await until(
    'the other takes it',
    () => world.watch.holders.join() === world.nodes.find(node => node !== active)?.name,
    20_000,
  );
  await active.signal('SIGCONT');
  await sleep(3000);
  assert.is(world.watch.holders.length, 1);
});

inLab('a holder process that is killed without etcd is replaced, and continues by promises', async world => {
  const { active } = world;
  const restore = await loseMajority(world, active);
  const [before] = active.holders();
  if (before === undefined) throw new Error('it has no holder process');
  process.kill(before, 'SIGKILL');
  await until('there is another one', () => active.holders().some(pid => pid !== before));
  await until('the address is back', () => world.watch.holders.join() === active.name);
  await sleep(2500);
  assert.equal(world.watch.holders, [active.name]);
  assert.is((await failsafeOf(active)).active, true);
  await restore();
});
