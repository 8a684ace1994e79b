// Schedule: which scenario is played when. Noise varies over minutes, so each run plays all scenarios, in a different order.
import { randomOf } from '../support/random.ts';
import type { Scenario } from './scenario.ts';
import type { WorldOptions } from './world.ts';

/** What the schedule needs of a scenario. */
export type Planned = Pick<Scenario, 'name' | 'seconds' | 'world' | 'measures'>;

/** Scenarios of one run that share a world. */
export interface Visit<S extends Planned> {
  readonly run: number;
  readonly world: WorldOptions;
  readonly scenarios: readonly S[];
}

/** How long a world takes to start and to end, s. */
const worldSeconds = 8;

/**
 * Each measuring scenario is played in every run, each of the others once, spread over the runs; with `each` all of them
 * in every run.
 */
export function schedule<S extends Planned>(
  scenarios: readonly S[],
  runs: number,
  each: 'once' | 'each',
): Visit<S>[] {
  const visits: Visit<S>[] = [];
  const rest = scenarios.filter(({ measures }) => !measures);
  for (let run = 1; run <= runs; run++) {
    const now = scenarios.filter(
      scenario => scenario.measures || each === 'each' || rest.indexOf(scenario) % runs === run - 1,
    );
    const worlds = new Map<string, S[]>();
    for (const scenario of shuffled(now, run)) {
      const key = JSON.stringify(scenario.world ?? {});
      worlds.set(key, [...(worlds.get(key) ?? []), scenario]);
    }
    for (const [key, group] of worlds) visits.push({ run, world: JSON.parse(key), scenarios: group });
  }
  return visits;
}

/** How long visits take, s. */
export function estimate(visits: readonly Visit<Planned>[]): number {
  const plays = visits.flatMap(({ scenarios }) => scenarios);
  return visits.length * worldSeconds + plays.reduce((sum, { seconds }) => sum + seconds, 0);
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = randomOf(seed);
  const rest = [...items];
  return items.flatMap(() => rest.splice(random(rest.length), 1));
}
