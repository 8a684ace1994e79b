// Comparison: the study of one scenario, which compares every proxy with the reference in paired rounds.
import { portOf } from './load.ts';
import { reference } from './proxies/index.ts';
import { clientSaturation, noiseNotes, type Sample, takeSample } from './sample.ts';
import type { Scenario } from './scenarios.ts';
import { formatBytes, formatCount, formatMedian, formatRatio, formatTime, type Section } from './section.ts';
import { pairedRatios, type Summary, summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

/** The results of one proxy in one scenario. */
interface ProxyResult {
  readonly proxy: string;
  /** Why there are no figures, or no comparison. */
  readonly refused: string | undefined;
  /** The ratio to the reference, per round. */
  readonly cpuRatio: Summary | undefined;
  readonly throughputRatio: Summary | undefined;
  readonly cpuPerRequest: Summary | undefined;
  readonly requestsPerSecond: Summary | undefined;
  readonly p50: Summary | undefined;
  readonly p99: Summary | undefined;
  readonly memory: Summary | undefined;
  /** The client's core was saturated, so the proxy may be able to do more. */
  readonly clientBound: boolean;
  /** One per round. */
  readonly samples: readonly Sample[];
}

/** Returns the study that puts one scenario's load on every proxy. */
export function comparison(scenario: Scenario): Study {
  return {
    name: scenario.name,
    quick: scenario.quick,
    async run(bench) {
      const results = await compare(bench, scenario);
      const ratios = results.flatMap(({ proxy, cpuRatio }) =>
        cpuRatio === undefined ? [] : [[proxy, cpuRatio.median] as const],
      );
      return { section: describe(scenario, results), figures: results, ratios: Object.fromEntries(ratios) };
    },
  };
}

/** Runs every proxy once per round, in rotating order, so that drift of the machine affects all alike. */
async function compare(bench: Bench, scenario: Scenario): Promise<ProxyResult[]> {
  const { effort } = bench;
  const running = [...bench.running].filter(([, proxy]) => portOf(proxy, scenario.load.entry) !== undefined);
  const names = running.map(([name]) => name);
  const samples = new Map<string, Sample[]>(names.map(name => [name, []]));
  for (let round = 0; round <= effort.rounds; round++) {
    const warmUp = round === 0;
    for (const [name, proxy] of round % 2 === 0 ? running : running.toReversed()) {
      bench.progress(
        `${scenario.name}: ${warmUp ? 'warm-up' : `round ${round} of ${effort.rounds}`}, ${name}`,
      );
      const seconds = warmUp ? effort.warmUp : effort.seconds;
      const sample = await takeSample(bench, proxy, scenario.load, seconds);
      if (!warmUp) samples.get(name)?.push(sample);
    }
  }
  const base = samples.get(reference.name) ?? [];
  return names.map(name => summariseProxy(name, samples.get(name) ?? [], base));
}

function summariseProxy(proxy: string, samples: readonly Sample[], base: readonly Sample[]): ProxyResult {
  const own = refusalOf(samples);
  const others = refusalOf(base);
  const refused = own ?? (others === undefined ? undefined : `${reference.name}: ${others}`);
  const over = (pick: (sample: Sample) => number | undefined): Summary | undefined =>
    own === undefined ? summarise(samples.map(pick).filter(value => value !== undefined)) : undefined;
  const ratio = (pick: (sample: Sample) => number): Summary | undefined =>
    refused === undefined ? summarise(pairedRatios(samples.map(pick), base.map(pick))) : undefined;
  return {
    proxy,
    refused,
    cpuRatio: ratio(sample => sample.cpuPerRequest),
    throughputRatio: ratio(sample => sample.requestsPerSecond),
    cpuPerRequest: over(sample => sample.cpuPerRequest),
    requestsPerSecond: over(sample => sample.requestsPerSecond),
    p50: over(sample => sample.p50),
    p99: over(sample => sample.p99),
    memory: over(sample => sample.memory),
    clientBound: samples.some(sample => sample.clientCoresBusy >= clientSaturation),
    samples,
  };
}

function refusalOf(samples: readonly Sample[]): string | undefined {
  return samples.find(sample => sample.refused !== undefined)?.refused;
}

function describe({ name, title }: Scenario, results: readonly ProxyResult[]): Section {
  const notes = [];
  if (results.some(result => result.clientBound)) {
    notes.push('≥: the core of client and origin had no time left, so the proxy may do more.');
  }
  notes.push(...noiseNotes(results.flatMap(({ samples }) => samples)));
  return {
    name,
    title,
    headings: [
      '',
      'CPU a request',
      `× ${reference.name} (quartiles)`,
      'requests/s',
      `× ${reference.name}`,
      'p50',
      'p99',
      'memory',
    ],
    rows: results.map(cells),
    notes,
    refusals: results.flatMap(({ proxy, refused }) =>
      refused === undefined ? [] : [`${proxy}: no comparison: ${refused}`],
    ),
  };
}

function cells(result: ProxyResult): string[] {
  const bound = result.clientBound ? '≥ ' : '';
  return [
    result.proxy,
    formatMedian(result.cpuPerRequest, formatTime),
    formatRatio(result.cpuRatio),
    formatMedian(result.requestsPerSecond, value => bound + formatCount(value)),
    formatMedian(result.throughputRatio, value => bound + value.toFixed(2)),
    formatMedian(result.p50, formatTime),
    formatMedian(result.p99, formatTime),
    formatMedian(result.memory, formatBytes),
  ];
}
