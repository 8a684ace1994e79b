// The ways in which a cluster is hurt, one function each, and what the client saw of it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReport } from './endless-client.ts';
import { PoolChurn } from './pool-churn.ts';
import { World } from './world.ts';

/** One way to hurt a cluster. */
export interface Scenario {
  readonly name: string;
  /** What the longest gap may be, ms; undefined: the service address is expected to be away meanwhile. */
  readonly goal?: number;
  /** Short enough for every test run. */
  readonly short?: true;
  /** Hurts it; `World.settled` follows. */
  hurt(world: World): Promise<void>;
  /** Heals what `hurt` left, after the report of the client. */
  heal?(world: World): Promise<void>;
}

/** What came of one. */
export interface Outcome extends ClientReport {
  readonly scenario: Scenario;
  /** Times when two machines had the address: must be none. */
  readonly overlaps: readonly string[];
  /** Acknowledged changes of the pool that are lost: must be none. */
  readonly lost: readonly string[];
  readonly changes: number;
  readonly refusedChanges: number;
}

const afterwards = 5000;

/** Hurts a running world, and reports. The world is whole again afterwards. */
export async function play(world: World, scenario: Scenario): Promise<Outcome> {
  await world.settled();
  const churn = new PoolChurn(world, [8001, 8002, 8003, 8004, 8005]);
  await sleep(1000);
  const from = Date.now();
  await scenario.hurt(world);
  await sleep(afterwards);
  const report = world.client.report(from);
  await scenario.heal?.(world);
  for (const node of world.nodes) if (!node.runs) node.start();
  await world.settled();
  const lost = await churn.stop();
  const overlaps = world.watch.overlaps(from);
  const { acknowledged: changes, refused: refusedChanges } = churn;
  return { ...report, scenario, overlaps, lost, changes, refusedChanges };
}

const planned = 300;
const unplanned = 3000;

/** All of them. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'the active Weldr is stopped (SIGTERM)',
    goal: planned,
    short: true,
    hurt: async world => await world.active.signal('SIGTERM'),
  },
  {
    name: 'the active manager is killed (-9)',
    goal: unplanned,
    hurt: async world => await world.active.signal('SIGKILL'),
  },
  {
    name: 'the active machine dies (all processes -9)',
    goal: unplanned,
    short: true,
    hurt: async world => world.active.machine.killAll(),
  },
  {
    name: 'the active manager is frozen for 6 s',
    goal: unplanned,
    short: true,
    async hurt(world) {
      const frozen = world.active;
      await frozen.signal('SIGSTOP');
      await sleep(6000);
      await frozen.signal('SIGCONT');
    },
  },
  {
    name: 'all of the active machine is frozen for 6 s',
    goal: unplanned,
    async hurt(world) {
      const { machine } = world.active;
      machine.signalAll('SIGSTOP');
      await sleep(6000);
      machine.signalAll('SIGCONT');
    },
  },
  {
    name: 'the active machine is cut off from etcd',
    goal: unplanned,
    async hurt(world) {
      const { machine } = world.active;
      machine.setCut('control', true);
      await sleep(8000);
      machine.setCut('control', false);
    },
  },
  {
    name: 'the active machine is cut off from the clients (its link goes down)',
    goal: unplanned,
    async hurt(world) {
      const { machine } = world.active;
      machine.setCable('service', 'down');
      await sleep(8000);
      machine.setCable('service', 'up');
    },
  },
  {
    name: 'the active machine is cut off from everything',
    goal: unplanned,
    async hurt(world) {
      const { machine } = world.active;
      machine.setCut('control', true);
      machine.setCut('service', true);
      await sleep(8000);
      machine.setCut('control', false);
      machine.setCut('service', false);
    },
  },
  {
    name: "etcd's leader is killed (-9)",
    goal: unplanned,
    async hurt(world) {
      const leader = (await world.etcd.leader()) ?? 0;
      await world.etcd.signal(leader, 'SIGKILL');
      await sleep(6000);
      world.etcd.startMember(leader);
    },
  },
  {
    name: "etcd's leader is frozen for 6 s",
    goal: unplanned,
    async hurt(world) {
      const leader = (await world.etcd.leader()) ?? 0;
      await world.etcd.signal(leader, 'SIGSTOP');
      await sleep(6000);
      await world.etcd.signal(leader, 'SIGCONT');
    },
  },
  {
    name: 'etcd loses its majority for a minute',
    async hurt(world) {
      await world.etcd.signal(1, 'SIGKILL');
      await world.etcd.signal(2, 'SIGKILL');
      await sleep(60_000);
      world.etcd.startMember(1);
      world.etcd.startMember(2);
      await world.etcd.ready();
    },
  },
  {
    name: 'all Weldrs are restarted one after another',
    goal: planned,
    async hurt(world) {
      for (const node of world.nodes) {
        await node.signal('SIGTERM');
        node.start();
        await world.settled();
      }
    },
  },
];

/** Plays scenarios in one world each for so many Weldrs. */
export async function playAll(
  chosen: readonly Scenario[],
  weldrs: number,
  done: (outcome: Outcome) => void,
): Promise<void> {
  const world = await World.start(weldrs);
  try {
    for (const scenario of chosen) done(await play(world, scenario));
  } finally {
    await world.close();
  }
}
