// Faults of processes: managers, workers, code that never returns, too much work at once.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { Scenario } from './scenario.ts';
import { type Site, serviceAddress, servicePort } from './site.ts';

/** Makes this many workers of the active Weldr hang, with one request for each. */
export async function hang({ clientMachine }: Site, count: number): Promise<void> {
  const url = `http://${serviceAddress}:${servicePort}/hang`;
  const timedOut = 28;
  for (let hung = 0; hung < count; ) {
    const args = ['-s', '-m', '0.3', '-w', '%{time_connect}', url];
    const { code, stdout } = await clientMachine.result('curl', args);
    // Counts only requests whose connection was established.
    if (code === timedOut && Number(stdout) > 0) hung++;
  }
}

/** Rows of a separate pool, which no request goes to. */
function rowsOf(count: number): { rows: object[] } {
  const mark = { by: 'lab', at: Date.now() };
  const server = (i: number) => `http://10.77.0.31:${20_000 + i}`;
  return {
    rows: [
      { kind: 'pool', key: 'imported', op: 'define', value: {}, ...mark },
      ...Array.from({ length: count }, (_, i) => ({
        kind: 'server',
        key: `imported/${server(i)}`,
        op: 'define',
        value: { url: server(i) },
        ...mark,
      })),
    ],
  };
}

/** Faults of processes. */
export const processScenarios: readonly Scenario[] = [
  {
    name: 'the active manager is killed (-9)',
    seconds: 9,
    measures: true,
    async play(stage) {
      const { active } = stage.world;
      await stage.gap('killed', () => active.signal('SIGKILL'), 5000);
    },
  },
  {
    name: 'the active manager is frozen for 6 s',
    seconds: 13,
    measures: true,
    short: true,
    async play(stage) {
      const { active } = stage.world;
      await stage.gap('frozen', () => active.signal('SIGSTOP'), 6000);
      await stage.gap('frozenReturns', () => active.signal('SIGCONT'), 3000);
    },
  },
  {
    name: 'all workers of the active Weldr hang (for(;;) in a plugin, workers: 1)',
    seconds: 16,
    measures: true,
    async play(stage) {
      await stage.gap('hung', () => hang(stage.world, 1), 7000);
    },
  },
  {
    name: 'one worker hangs, then all of two do',
    seconds: 35,
    world: { workers: 2 },
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      let from = Date.now();
      await hang(stage.world, 1);
      await sleep(6000);
      stage.check('one hanging worker moves nothing', world.watch.takings(from, Date.now()) === 0);
      await until('it is replaced', () => active.isInStep(), 20_000);
      await sleep(6000);
      from = Date.now();
      await hang(stage.world, 2);
      await sleep(7000);
      const { longestGap } = world.client.report(from);
      stage.check('another node takes over when all hang', longestGap <= 3500 * 1.4, `${longestGap} ms`);
      stage.check('it is another one', world.watch.holders.join() !== active.name, world.watch.holders);
    },
  },
  {
    name: 'both workers are killed at once and replaced',
    seconds: 14,
    world: { workers: 2 },
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      const workers = active.workers();
      stage.check('there are two workers', workers.length === 2, workers.length);
      const from = Date.now();
      for (const pid of workers) process.kill(pid, 'SIGKILL');
      await until('they are replaced', () => active.workers().length === 2);
      await sleep(4000);
      const { longestGap } = world.client.report(from);
      const takings = world.watch.takings(from, Date.now());
      stage.check('no hand-over for the time that a start takes', takings === 0, `${takings} times taken`);
      stage.check('the client waits no longer than for the start', longestGap <= 1500, `${longestGap} ms`);
    },
  },
  {
    name: '5,000 servers are imported while leading',
    seconds: 40,
    world: { checkEvery: '60s' },
    async play(stage) {
      const { world } = stage;
      const { active, watch } = world;
      const from = Date.now();
      const { status, text } = await active.admin('POST', '/pool/import', rowsOf(5000), 60);
      await sleep(5000);
      const took = Date.now() - from;
      stage.check('the import is accepted', status === 200, `${status} ${text.slice(0, 200)}`);
      const away = watch.away(from, Date.now());
      stage.check('the address is away for 0 ms', away === 0, `${away} ms of ${took}`);
      stage.check('it is where it was', watch.holders.join() === active.name, watch.holders);
    },
  },
];
