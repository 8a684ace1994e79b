// Searches the model of the hand-over, for any number of steps:
// `node -C weldr-source test/models/hand-over/search.ts [STEPS]`.
import { Cluster } from './cluster.ts';
import { needed, sound } from './precautions.ts';
import type { Adversary, Protocol } from './protocol.ts';

/** The results of some runs. */
export interface Found {
  readonly runs: number;
  readonly steps: number;
  /** How often the address went to another node. */
  readonly handOvers: number;
  /** Descriptions with the seed of the run. */
  readonly twoHolders: readonly string[];
  readonly noHolder: readonly string[];
}

/** Runs the model with seeds from `seed` on, for at least so many steps. */
export function search(p: Protocol, a: Adversary, steps: number, seed = 1): Found {
  const twoHolders: string[] = [];
  const noHolder: string[] = [];
  let handOvers = 0;
  let done = 0;
  let runs = 0;
  for (; done < steps; runs++) {
    const cluster = new Cluster(p, a, seed + runs);
    done += cluster.run();
    handOvers += cluster.handOvers;
    twoHolders.push(...cluster.twoHolders.map(text => `seed ${seed + runs}: ${text}`));
    noHolder.push(...cluster.noHolder.map(text => `seed ${seed + runs}: ${text}`));
  }
  return { runs, steps: done, handOvers, twoHolders, noHolder };
}

if (import.meta.main) {
  const steps = Number(process.argv[2] ?? 2_000_000);
  const report = (name: string, { runs, handOvers, twoHolders, noHolder, steps: done }: Found) => {
    console.log(`${name}: ${runs} runs, ${done} steps, ${handOvers} hand-overs`);
    if (twoHolders[0] !== undefined)
      console.log(`  two holders ${twoHolders.length} times, ${twoHolders[0]}`);
    if (noHolder[0] !== undefined) console.log(`  no holder ${noHolder.length} times, ${noHolder[0]}`);
  };
  for (const [name, { p, a }] of Object.entries(sound)) report(name, search(p, a, steps));
  for (const { name, p, a } of needed) report(`without ${name}`, search(p, a, steps));
}
