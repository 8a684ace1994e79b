// Faults of machines: one dies, is unplugged or frozen, and returns; one cannot serve.
import { until } from '../support/until.ts';
import type { GoalName } from './goals.ts';
import type { Scenario, Stage } from './scenario.ts';
import type { World } from './world.ts';

type EtcdLeader = 'elsewhere' | 'there, too';

const seenReturning = 5000;

async function placeEtcdLeader({ world }: Stage, place: EtcdLeader): Promise<void> {
  if (world.options.variant === 'apart') return;
  await world.leadEtcdFrom(place === 'elsewhere' ? world.passive : world.active);
}

function dies(goal: GoalName, leader: EtcdLeader): Pick<Scenario, 'seconds' | 'measures' | 'play'> {
  return {
    seconds: 14,
    measures: true,
    async play(stage) {
      await placeEtcdLeader(stage, leader);
      const { active } = stage.world;
      await stage.gap(goal, () => active.machine.die(), 5000);
      await stage.gap('diedReturns', () => stage.world.boot(active), seenReturning);
    },
  };
}

function isUnplugged(goal: GoalName, leader: EtcdLeader): Pick<Scenario, 'seconds' | 'measures' | 'play'> {
  return {
    seconds: 15,
    measures: true,
    async play(stage) {
      await placeEtcdLeader(stage, leader);
      const { machine } = stage.world.active;
      await stage.gap(goal, () => machine.setCable('down'), 5000);
      await stage.gap('unpluggedReturns', () => machine.setCable('up'), seenReturning);
    },
  };
}

/** Restarts a Weldr that does not hold the address; does not wait. */
async function restartPassive({ passive }: World): Promise<void> {
  await passive.signal('SIGTERM');
  passive.start();
}

/** The passive machine loses its network three times; resolves with the longest gap that the client saw, ms. */
async function unplugPassive({ world }: Stage): Promise<number> {
  const { active } = world;
  const passive = world.nodes.find(node => node !== active) ?? world.passive;
  const from = Date.now();
  for (let i = 0; i < 3; i++) {
    passive.machine.setCable('down');
    await new Promise(resolve => setTimeout(resolve, 4000));
    passive.machine.setCable('up');
    await new Promise(resolve => setTimeout(resolve, 4000));
  }
  return world.client.report(from).longestGap;
}

/** Faults of machines. */
export const machineScenarios: readonly Scenario[] = [
  {
    name: "the active machine dies, etcd's leader is elsewhere",
    short: true,
    ...dies('diesElsewhere', 'elsewhere'),
  },
  {
    name: "the active machine dies, etcd's leader with it",
    sharedOnly: true,
    ...dies('diesWithLeader', 'there, too'),
  },
  {
    name: "the active machine is unplugged, etcd's leader is elsewhere",
    ...isUnplugged('unpluggedElsewhere', 'elsewhere'),
  },
  {
    name: "the active machine is unplugged, etcd's leader with it",
    sharedOnly: true,
    ...isUnplugged('unpluggedWithLeader', 'there, too'),
  },
  {
    name: 'the whole active machine is frozen for 6 s',
    seconds: 13,
    async play(stage) {
      const { machine } = stage.world.active;
      await stage.gap('machineFrozen', () => machine.signalAll('SIGSTOP'), 6000);
      await stage.gap('frozenReturns', () => machine.signalAll('SIGCONT'), 4000);
    },
  },
  {
    name: 'the active Weldr alone reaches no origin',
    seconds: 15,
    measures: true,
    async play(stage) {
      const { world } = stage;
      await stage.gap('originless', () => world.hideOriginsFrom(world.active.machine), 9000);
    },
  },
  {
    name: 'no Weldr reaches an origin: nothing moves',
    seconds: 13,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      const from = Date.now();
      for (const machine of world.machines.values()) world.hideOriginsFrom(machine);
      await new Promise(resolve => setTimeout(resolve, 9000));
      const takings = world.watch.takings(from, Date.now());
      stage.check('nothing moves when no node serves', takings === 0, `${takings} times taken`);
      stage.check('the address is where it was', world.watch.holders.join() === active.name);
    },
  },
  {
    name: 'the active machine dies while the other Weldr is being restarted',
    seconds: 24,
    async play(stage) {
      const { world } = stage;
      const { active, passive } = world;
      const from = Date.now();
      await restartPassive(world);
      active.machine.die();
      await until(
        'the restarted one holds the address',
        () => world.watch.holders.join() === passive.name,
        20_000,
      );
      await until('the client is answered', () => world.client.answeredAfter(Date.now() - 100), 10_000);
      const { longestGap } = world.client.report(from);
      stage.check('the restarted one takes over', longestGap <= 6000, `${longestGap} ms`);
      world.boot(active);
    },
  },
  {
    name: 'the network of the passive machine comes and goes',
    seconds: 40,
    async play(stage) {
      // If etcd's leader is on it, etcd loses its leader, too.
      await placeEtcdLeader(stage, 'there, too');
      const longestGap = await unplugPassive(stage);
      stage.check('clients do not see it', longestGap <= 200, `${longestGap} ms`);
    },
  },
  {
    name: "the network of the passive machine comes and goes, etcd 3.4's default settings",
    seconds: 40,
    world: { etcd: 'plain' },
    async play(stage) {
      const longestGap = await unplugPassive(stage);
      // Without pre-vote a returning member ends the term of etcd's leader, and may do so again while the others elect.
      stage.check('clients see it for 5 s at most', longestGap <= 5000, `${longestGap} ms`);
    },
  },
];
