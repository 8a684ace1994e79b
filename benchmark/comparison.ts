// Comparison: proxies under one load in paired rounds, each against the reference in the same round.
import { reference } from './proxies/index.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { type Bench, clientSaturation, type Sample, takeSample } from './sample.ts';
import type { Scenario } from './scenarios.ts';
import { type Summary, summarise } from './statistics.ts';

/** What the rounds of one scenario gave for one proxy. */
export interface ProxyResult {
  readonly proxy: string;
  /** One a round. */
  readonly samples: readonly Sample[];
  /** Why there are no ratios; undefined: there are, or the reference was not measured. */
  readonly refused: string | undefined;
  /** To the reference, round by round; undefined without reference. */
  readonly cpuRatio: Summary | undefined;
  readonly throughputRatio: Summary | undefined;
  readonly cpuPerRequest: Summary | undefined;
  readonly requestsPerSecond: Summary | undefined;
  readonly p50: Summary | undefined;
  readonly p99: Summary | undefined;
  readonly memory: Summary | undefined;
  /** The client's core had no time left, so that the proxy may be able to do more. */
  readonly clientBound: boolean;
}

/** One scenario's results. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  readonly results: readonly ProxyResult[];
}

/** How long and how often. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  /** Load before the first round, for compilers and pools to settle, s. */
  readonly warmUp: number;
}

/** Runs every proxy once a round, in turning order, so that what drifts on the machine hits all alike. */
export async function compare(
  bench: Bench,
  running: ReadonlyMap<string, RunningProxy>,
  scenario: Scenario,
  effort: Effort,
  progress: (text: string) => void,
): Promise<ScenarioResult> {
  const names = [...running.keys()];
  const samples = new Map<string, Sample[]>(names.map(name => [name, []]));
  for (let round = 0; round <= effort.rounds; round++) {
    const warmUp = round === 0;
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const proxy = running.get(name);
      if (proxy === undefined) continue;
      progress(`${scenario.name}: ${warmUp ? 'warm-up' : `round ${round} of ${effort.rounds}`}, ${name}`);
      const sample = await takeSample(bench, proxy, scenario.load, warmUp ? effort.warmUp : effort.seconds);
      if (!warmUp) samples.get(name)?.push(sample);
    }
  }
  const base = samples.get(reference.name);
  return {
    scenario: scenario.name,
    title: scenario.title,
    results: names.map(name => summariseProxy(name, samples.get(name) ?? [], base)),
  };
}

function summariseProxy(
  proxy: string,
  samples: readonly Sample[],
  base: readonly Sample[] | undefined,
): ProxyResult {
  const own = samples.find(sample => sample.refused !== undefined)?.refused;
  const others = base?.find(sample => sample.refused !== undefined)?.refused;
  const refused = own ?? (others === undefined ? undefined : `${reference.name}: ${others}`);
  const over = (pick: (sample: Sample) => number): Summary | undefined =>
    own === undefined ? summarise(samples.map(pick)) : undefined;
  const ratio = (pick: (sample: Sample) => number): Summary | undefined =>
    base === undefined || refused !== undefined ? undefined : summarise(pairedRatios(samples, base, pick));
  return {
    proxy,
    samples,
    refused,
    cpuRatio: ratio(sample => sample.cpuPerRequest),
    throughputRatio: ratio(sample => sample.requestsPerSecond),
    cpuPerRequest: over(sample => sample.cpuPerRequest),
    requestsPerSecond: over(sample => sample.requestsPerSecond),
    p50: over(sample => sample.p50),
    p99: over(sample => sample.p99),
    memory: over(sample => sample.memory),
    clientBound: samples.some(sample => sample.clientCoresBusy >= clientSaturation),
  };
}

function pairedRatios(
  samples: readonly Sample[],
  base: readonly Sample[],
  pick: (sample: Sample) => number,
): number[] {
  return samples.flatMap((sample, round) => {
    const other = base[round];
    return other === undefined ? [] : [pick(sample) / pick(other)];
  });
}
