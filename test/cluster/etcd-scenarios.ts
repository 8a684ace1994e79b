// Faults of etcd: no majority, no space, slowness, a key written by hand, three clusters instead of one.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { checkReported, type Scenario, type Stage } from './scenario.ts';

const minute = 60_000;
const failsafeState = z.looseObject({ failsafe: z.looseObject({ members: z.array(z.string()) }) });
const quota = 4 * 1024 * 1024;
const filler = 'x'.repeat(512 * 1024);
const leaderKey = '/weldr/v1/leader';

/** How long an address may be away after its cause is over, ms. */
const backWithin = 3000;

async function checkBack(stage: Stage): Promise<void> {
  await stage.within(backWithin, 'the address is back', () => stage.world.watch.holders.length === 1);
}

/** Kills all members except the one on the holder's machine, for this many ms. */
async function loseMajority({ world }: Stage, ms: number, meanwhile: () => Promise<void>): Promise<void> {
  const lost = world.membersBeside(world.active).slice(0, 2);
  const began = Date.now();
  for (const index of lost) await world.etcd.signal(index, 'SIGKILL');
  await meanwhile();
  await sleep(Math.max(0, began + ms - Date.now()));
  for (const index of lost) world.etcd.startMember(index);
  await world.etcd.ready();
}

/** How long clients may see an election of etcd with the default lease, ms: docs/cluster-guarantees.md, "When etcd elects". */
const electionIsSeen = 500;
/** Clients do not notice a shorter gap, ms. */
const unseen = 200;

/** Kills or freezes etcd's leader for a while, away from the active Weldr; clients see it for `ms` at most. */
async function electAgain(stage: Stage, signal: 'SIGKILL' | 'SIGSTOP', ms: number): Promise<void> {
  const { world } = stage;
  const { active } = world;
  await world.etcd.lead(2);
  const from = Date.now();
  await world.etcd.signal(2, signal);
  await sleep(6000);
  await world.etcd.signal(2, 'SIGCONT');
  await sleep(2000);
  const { longestGap } = world.client.report(from);
  const claim =
    ms === unseen
      ? 'clients do not see an election of etcd'
      : `clients see an election of etcd for ${ms} ms at most`;
  stage.check(claim, longestGap <= ms, `${longestGap} ms`);
  const { holders } = world.watch;
  if (signal === 'SIGKILL') stage.check('the address stays', holders.join() === active.name, holders);
  // A leader of etcd that was frozen may revoke leases that were renewed meanwhile (etcd#15247, fixed in 3.4.31).
  else stage.check('one node has the address, the same one or another', holders.length === 1, holders);
}

/** With failsafe: waits until each other node may be asked. */
async function allAreListed(stage: Stage): Promise<void> {
  const { world } = stage;
  const { active } = world;
  await stage.within(15_000, 'all others are on the list', async () => {
    const { text } = await active.admin('GET', '/cluster');
    return failsafeState.parse(JSON.parse(text)).failsafe.members.length === world.nodes.length - 1;
  });
}

/** The holder keeps the address for this many ms without a majority. */
function isFailsafe(ms: number): Pick<Scenario, 'world' | 'play'> {
  return {
    world: { failsafe: true },
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await allAreListed(stage);
      const reported = async () =>
        await checkReported(stage, active, /etcd|majority/i, { since: Date.now(), where: 'log too' });
      await stage.gap('failsafe', () => loseMajority(stage, ms, reported));
      stage.check('the address stays', world.watch.holders.join() === active.name, world.watch.holders);
    },
  };
}

/** Writes until etcd refuses more. */
async function fill({ world }: Stage): Promise<void> {
  for (let i = 0; i < 2 * (quota / filler.length); i++) {
    const { code } = await world.clientMachine.result(
      'etcdctl',
      [`--endpoints=${world.etcd.hosts.join()}`, 'put', `/junk/${i}`],
      { input: filler },
    );
    if (code !== 0) return;
  }
  throw new Error('etcd has taken more than its quota');
}

/** Frees space, as etcd's guide describes. */
async function makeRoom({ world }: Stage): Promise<void> {
  const ctl = (...args: string[]) => world.etcd.ctl(args, 0) ?? '';
  ctl('del', '--prefix', '/junk/');
  const revision = /"revision":(\d+)/.exec(ctl('endpoint', 'status', '-w', 'json'))?.[1] ?? '1';
  ctl('compact', revision);
  for (const index of [0, 1, 2]) world.etcd.ctl(['defrag'], index);
  ctl('alarm', 'disarm');
}

/** Counts how often the address was taken in this many ms, and how long it was away. */
async function watchFor({ world }: Stage, ms: number): Promise<{ takings: number; away: number }> {
  const from = Date.now();
  await sleep(ms);
  const to = Date.now();
  return { takings: world.watch.takings(from, to), away: world.watch.away(from, to) };
}

/** Faults of etcd. */
export const etcdScenarios: readonly Scenario[] = [
  {
    name: "etcd's leader is killed (-9), apart from the active Weldr",
    seconds: 10,
    play: async stage => await electAgain(stage, 'SIGKILL', electionIsSeen),
  },
  {
    name: "etcd's leader is frozen for 6 s, apart from the active Weldr",
    seconds: 12,
    play: async stage => await electAgain(stage, 'SIGSTOP', electionIsSeen),
  },
  {
    name: "etcd's leader is killed (-9), apart from the active Weldr, a lease of 2 s",
    seconds: 10,
    world: { etcdOptions: "lease: '2s'" },
    play: async stage => await electAgain(stage, 'SIGKILL', unseen),
  },
  {
    name: "etcd's leader is killed (-9), apart from the active Weldr, failsafe",
    seconds: 12,
    world: { failsafe: true },
    async play(stage) {
      await allAreListed(stage);
      await electAgain(stage, 'SIGKILL', unseen);
    },
  },
  {
    name: 'the member of etcd beside the active Weldr is killed (-9)',
    seconds: 10,
    sharedOnly: true,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      const member = world.memberOf(active) ?? 0;
      await world.leadEtcdFrom(world.passive);
      const from = Date.now();
      await world.etcd.signal(member, 'SIGKILL');
      await sleep(6000);
      const { longestGap } = world.client.report(from);
      stage.check(
        'another member is asked, and clients see nothing',
        longestGap <= unseen,
        `${longestGap} ms`,
      );
      stage.check('the address stays', world.watch.holders.join() === active.name, world.watch.holders);
    },
  },
  {
    name: 'etcd has no majority for 60 s',
    seconds: 80,
    async play(stage) {
      const { world } = stage;
      const { active, passive } = world;
      await stage.gap(
        'majority',
        async () =>
          await loseMajority(stage, minute, async () => {
            const since = Date.now();
            await Promise.all([
              checkReported(stage, active, /etcd|majority/i, { since, where: 'log too' }),
              checkReported(stage, passive, /etcd|majority/i, { since, where: 'status only' }),
            ]);
          }),
      );
      await checkBack(stage);
    },
  },
  { name: 'etcd has no majority for 60 s, failsafe', seconds: 80, ...isFailsafe(minute) },
  { name: 'etcd has no majority for 12 s, failsafe', seconds: 20, measures: true, ...isFailsafe(12_000) },
  {
    name: 'etcd is out of space, then the active Weldr is stopped (SIGTERM)',
    seconds: 45,
    world: { etcdArgs: [`--quota-backend-bytes=${quota}`] },
    async play(stage) {
      const { world } = stage;
      const { active, passive } = world;
      const full = Date.now();
      await fill(stage);
      await checkReported(stage, active, /space|quota/i, { since: full, where: 'log too' });
      stage.check('the holder keeps the address', world.watch.holders.join() === active.name);
      const stopped = Date.now();
      await active.signal('SIGTERM');
      await sleep(3000);
      // Without space no node can take the key; one that can is fine, too.
      if (world.watch.holders.join() !== passive.name) {
        await checkReported(stage, passive, /space|quota/i, { since: stopped, where: 'log too' });
      }
      await makeRoom(stage);
      await checkBack(stage);
    },
  },
  {
    name: 'the key of the leader is written by hand, without a lease',
    seconds: 22,
    async play(stage) {
      const { world } = stage;
      const { active, passive } = world;
      const since = Date.now();
      const value = JSON.stringify({ schema: 1, node: 'ghost', since });
      world.etcd.ctl(['put', leaderKey, value], 0);
      await Promise.all(
        [active, passive].map(node => checkReported(stage, node, /lease/i, { since, where: 'log too' })),
      );
      world.etcd.ctl(['del', leaderKey], 0);
      await checkBack(stage);
    },
  },
  {
    name: 'etcd answers 40 to 60 ms late, default lease',
    seconds: 40,
    world: { etcdDelay: { ms: 25, jitter: 5 } },
    async play(stage) {
      const { takings, away } = await watchFor(stage, 25_000);
      stage.check(
        'the address does not flap',
        takings === 0 && away === 0,
        `taken ${takings} times, away ${away} ms`,
      );
    },
  },
  {
    name: 'etcd answers 200 to 280 ms late, a lease too short for that',
    seconds: 40,
    // A renewal is two such answers, and a lease of a second leaves some 390 ms with nftables.
    world: { etcdDelay: { ms: 120, jitter: 20 }, etcdOptions: "lease: '1s'", holderless: true },
    async play(stage) {
      // From there etcd's leader is equally far for both.
      await stage.world.etcd.lead(2);
      // A node that knows why it loses the leadership stays away after the first time.
      const { takings } = await watchFor(stage, 15_000);
      stage.check('flapping is damped', takings <= 6, `taken ${takings} times in 15 s`);
      for (const node of stage.world.nodes)
        await checkReported(stage, node, /lease/i, { since: 0, where: 'log too' });
    },
  },
  {
    name: 'three one-member etcd clusters with equal ids instead of one',
    seconds: 22,
    sharedOnly: true,
    world: { separateEtcds: true, holderless: true },
    async play(stage) {
      const { world } = stage;
      const { takings } = await watchFor(stage, 6000);
      stage.check('no node leads', takings === 0 && world.watch.holders.length === 0, world.watch.holders);
      for (const node of world.nodes)
        await checkReported(stage, node, /cluster/i, { since: 0, where: 'log too' });
    },
  },
];
