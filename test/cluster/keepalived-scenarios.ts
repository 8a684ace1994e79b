// Faults of a pair with keepalived, each beside the scenario of Weldr with the same goal.
import type { GoalName } from './goals.ts';
import type { KeepalivedPair } from './keepalived.ts';
import { hang } from './process-scenarios.ts';
import { type Outcome, type Scenario, Stage } from './scenario.ts';

type Played = Pick<Scenario<KeepalivedPair>, 'name' | 'seconds' | 'play'>;

function loses(
  what: string,
  goal: GoalName,
  returns: GoalName,
  [lose, giveBack]: readonly ['die', 'boot'] | readonly ['unplug', 'plug'],
): Played {
  return {
    name: `keepalived: ${what}`,
    seconds: 19,
    async play(stage) {
      const { active } = stage.world;
      const { machine } = active;
      await stage.gap(goal, () => (lose === 'die' ? machine.die() : machine.setCable('down')), 5000);
      await stage.gap(
        returns,
        () => (giveBack === 'boot' ? stage.world.boot(active) : machine.setCable('up')),
        5000,
      );
    },
  };
}

const played: readonly Played[] = [
  {
    name: 'keepalived: it is stopped (SIGTERM)',
    seconds: 9,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await stage.gap('stop', () => world.signal(active, 'SIGTERM', 'first'), 3000);
    },
  },
  {
    name: 'keepalived: it is reloaded (SIGHUP)',
    seconds: 9,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await stage.gap('reload', () => world.signal(active, 'SIGHUP', 'first'), 5000);
    },
  },
  {
    name: 'keepalived: its processes are killed (-9)',
    seconds: 11,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await stage.gap('killed', () => world.signal(active, 'SIGKILL', 'all'), 5000);
    },
  },
  {
    name: 'keepalived: its processes are frozen for 6 s',
    seconds: 14,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await stage.gap('frozen', () => world.signal(active, 'SIGSTOP', 'all'), 6000);
      await stage.gap('frozenReturns', () => world.signal(active, 'SIGCONT', 'all'), 3000);
    },
  },
  {
    name: 'keepalived: all workers of the active Weldr hang',
    seconds: 22,
    async play(stage) {
      await stage.gap('hung', () => hang(stage.world, 1), 7000);
    },
  },
  {
    name: 'keepalived: the active Weldr alone reaches no origin',
    seconds: 18,
    async play(stage) {
      const { world } = stage;
      await stage.gap('originless', () => world.hideOriginsFrom(world.active.machine), 9000);
    },
  },
  loses('the active machine dies', 'diesElsewhere', 'diedReturns', ['die', 'boot']),
  loses('the active machine is unplugged', 'unpluggedElsewhere', 'unpluggedReturns', ['unplug', 'plug']),
];

/** All of them; each in every run. */
export const keepalivedScenarios: readonly Scenario<KeepalivedPair>[] = played.map(scenario => ({
  ...scenario,
  measures: true,
}));

/** Plays one; without an `error` the pair is restored afterwards. */
export async function playBeside(pair: KeepalivedPair, scenario: Scenario<KeepalivedPair>): Promise<Outcome> {
  const stage = new Stage(pair);
  const from = Date.now();
  let error: string | undefined;
  try {
    await pair.settled();
    await scenario.play(stage);
    pair.restore();
    await pair.settled();
  } catch (thrown) {
    error = String(thrown);
  }
  return {
    figures: stage.figures,
    checks: stage.checks,
    overlaps: pair.watch.overlaps(from),
    failed: pair.client.report(from).failed,
    lost: [],
    changes: 0,
    refusedChanges: 0,
    ...(error !== undefined && { error }),
  };
}
