// Searches the model of the hand-over, for as long as is wished:
// `node -C weldr-source test/models/hand-over/search.ts [STEPS]`.
import { Cluster } from './cluster.ts';
import { needed, sound } from './precautions.ts';
import type { Adversary, Protocol } from './protocol.ts';

/** What came of some runs. */
export interface Found {
  readonly runs: number;
  readonly steps: number;
  /** How often the address went to another node. */
  readonly handOvers: number;
  /** In words, with the seed of the run. */
  readonly twoHolders: readonly string[];
  readonly nobody: readonly string[];
}

/** Runs the model with seeds from `seed` on, until there were so many steps. */
export function search(p: Protocol, a: Adversary, steps: number, seed = 1): Found {
  const twoHolders: string[] = [];
  const nobody: string[] = [];
  let handOvers = 0;
  let done = 0;
  let runs = 0;
  for (; done < steps; runs++) {
    const cluster = new Cluster(p, a, seed + runs);
    done += cluster.run();
    handOvers += cluster.handOvers;
    twoHolders.push(...cluster.twoHolders.map(text => `seed ${seed + runs}: ${text}`));
    nobody.push(...cluster.nobody.map(text => `seed ${seed + runs}: ${text}`));
  }
  return { runs, steps: done, handOvers, twoHolders, nobody };
}

if (import.meta.main) {
  const steps = Number(process.argv[2] ?? 2_000_000);
  const report = (name: string, { runs, handOvers, twoHolders, nobody, steps: done }: Found) => {
    console.log(`${name}: ${runs} runs, ${done} steps, ${handOvers} hand-overs`);
    if (twoHolders[0] !== undefined)
      console.log(`  two holders ${twoHolders.length} times, ${twoHolders[0]}`);
    if (nobody[0] !== undefined) console.log(`  nobody ${nobody.length} times, ${nobody[0]}`);
  };
  for (const [name, { p, a }] of Object.entries(sound)) report(name, search(p, a, steps));
  for (const { name, p, a } of needed) report(`without ${name}`, search(p, a, steps));
}
