// Options: parses the command line of the benchmark.
import { parseArgs } from 'node:util';

/** The options of the benchmark. */
export interface BenchmarkOptions {
  /** Under two minutes: nginx, HAProxy and Weldr, three scenarios, few rounds. */
  readonly quick: boolean;
  /** Names of peers; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Names of scenarios; undefined: all. */
  readonly scenario: readonly string[] | undefined;
  /** Write the figures into the documentation too. */
  readonly publish: boolean;
}

/** The names that `--only` and `--scenario` take. */
export type KnownNames = Readonly<Record<'only' | 'scenario', readonly string[]>>;

/** Returns the text of `--help`. */
export function usage(known: KnownNames): string {
  return `npm run bench -- [--quick] [--only NAME,…] [--scenario NAME,…] [--publish]

  --quick      under two minutes: nginx, HAProxy and Weldr; small, realistic and 64k; three rounds, not five
  --only       only these: ${known.only.join(', ')}
  --scenario   only these: ${known.scenario.join(', ')}
  --publish    write the figures of a full run to benchmark/results/latest.json, docs/benchmark.svg and docs/performance.md`;
}

/** Parses the arguments. Throws an Error that says what is wrong with them. */
export function parseOptions(args: readonly string[], known: KnownNames): BenchmarkOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      scenario: { type: 'string' },
      publish: { type: 'boolean', default: false },
    },
  });
  const { quick, publish } = values;
  const names = (flag: 'only' | 'scenario'): readonly string[] | undefined => {
    const given = values[flag]?.split(',');
    const wrong = given?.find(name => !known[flag].includes(name));
    if (wrong === undefined) return given;
    throw new Error(`--${flag}: expected one of ${known[flag].join(', ')}, got ${wrong}`);
  };
  const options = { quick, publish, only: names('only'), scenario: names('scenario') };
  if (publish && (quick || options.only !== undefined || options.scenario !== undefined)) {
    throw new Error('--publish needs a full run: leave --quick, --only and --scenario out');
  }
  return options;
}
