// Options: parses the command line of the benchmark.
import { parseArgs } from 'node:util';

/** The options of the benchmark. */
export interface BenchmarkOptions {
  /** Under two minutes: nginx, HAProxy and Weldr, three scenarios, few rounds. */
  readonly quick: boolean;
  /** Names of proxies; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Names of scenarios; undefined: all. */
  readonly scenarios: readonly string[] | undefined;
  readonly rounds: number;
  /** The length of one run. */
  readonly seconds: number;
  /** Write the figures into the documentation too. */
  readonly publish: boolean;
}

export const usage = `npm run bench -- [--quick] [--only NAME,…] [--scenario NAME,…] [--rounds N] [--seconds N] [--publish]

  --quick      under two minutes: nginx, HAProxy and Weldr; small, realistic and 64k
  --only       only these proxies
  --scenario   only these scenarios
  --rounds     rounds of each scenario: 5, or 3 with --quick
  --seconds    length of one run: 2
  --publish    write the figures of a full run to benchmark/results/latest.json, docs/benchmark.svg and docs/performance.md`;

/** Parses the arguments. Throws an Error that says what is wrong with them. */
export function parseOptions(
  args: readonly string[],
  known: { proxies: readonly string[]; scenarios: readonly string[] },
): BenchmarkOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      scenario: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      publish: { type: 'boolean', default: false },
    },
  });
  const { quick, only, scenario, publish } = values;
  if (publish && (quick || only !== undefined || scenario !== undefined)) {
    throw new Error('--publish needs a full run: leave --quick, --only and --scenario out');
  }
  return {
    quick: values.quick,
    only: names('--only', values.only, known.proxies),
    scenarios: names('--scenario', values.scenario, known.scenarios),
    rounds: number('--rounds', values.rounds ?? (values.quick ? '3' : '5'), 1, 100),
    seconds: number('--seconds', values.seconds, 1, 60),
    publish: values.publish,
  };
}

function names(flag: string, text: string | undefined, known: readonly string[]): string[] | undefined {
  if (text === undefined) return undefined;
  const given = text.split(',');
  for (const name of given) {
    if (!known.includes(name)) throw new Error(`${flag}: expected one of ${known.join(', ')}, got ${name}`);
  }
  return given;
}

function number(flag: string, text: string, from: number, to: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new Error(`${flag}: expected a number from ${from} to ${to}, got ${text}`);
  }
  return value;
}
