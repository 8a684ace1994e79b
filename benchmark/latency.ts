// Latency: p99 at half of a proxy's saturation, against the reference at the same rate.

import type { Load } from './load.ts';
import { reference } from './proxies/index.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { noiseNotes, p99Of, type Sample, takeSample } from './sample.ts';
import { formatCount, formatMedian, formatRatio, formatTime } from './section.ts';
import { pairedRatios, type Summary, summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

/** The connections that produce a rate: each pauses before each request. */
const connections = 256;
const saturating: Load = { path: '/small', connections };
/** The p99 of a shorter run would be that of its start, when all connections open at once. */
const shortestRun = 5;
/** How far the rates of a pair of runs may differ, from each other and from half of the saturation. */
const pairTolerance = 0.1;
const rateTolerance = 0.25;

interface LatencyResult {
  readonly proxy: string;
  /** Requests a second at saturation. */
  readonly saturation: number;
  readonly rate: Summary | undefined;
  readonly p99: Summary | undefined;
  readonly referenceP99: Summary | undefined;
  readonly ratio: Summary | undefined;
  readonly refused: string | undefined;
  readonly samples: readonly Sample[];
  readonly referenceSamples: readonly Sample[];
}

export const latency: Study = {
  name: 'p99',
  quick: false,
  async run(bench) {
    const results: LatencyResult[] = [];
    const base = bench.running.get(reference.name);
    for (const [name, proxy] of bench.running) {
      if (base !== undefined && proxy !== base) results.push(await measure(bench, name, proxy, base));
    }
    return {
      section: {
        name: 'p99',
        title: 'p99 at half of its own saturation, 256 connections',
        headings: ['', 'requests/s', 'p99', `p99 of ${reference.name}`, `× ${reference.name} (quartiles)`],
        rows: results.map(result => [
          result.proxy,
          formatMedian(result.rate, formatCount),
          formatMedian(result.p99, formatTime),
          formatMedian(result.referenceP99, formatTime),
          formatRatio(result.ratio),
        ]),
        notes: [
          ...(base === undefined ? [`It needs ${reference.name}.`] : []),
          ...noiseNotes(
            results.flatMap(({ samples, referenceSamples }) => [...samples, ...referenceSamples]),
          ),
        ],
        refusals: results.flatMap(({ proxy, refused }) =>
          refused === undefined ? [] : [`${proxy}: no comparison: ${refused}`],
        ),
      },
      figures: results,
    };
  },
};

/** Returns the length of one run for a p99, s. */
export function latencySeconds({ effort }: Bench): number {
  return Math.max(effort.seconds, shortestRun);
}

/** Returns the load at half of `saturation`, which is in requests a second. */
export async function halfLoad(
  bench: Bench,
  proxy: RunningProxy,
): Promise<{ saturation: number; rate: number; load: Load }> {
  await takeSample(bench, proxy, saturating, bench.effort.warmUp);
  const full = await takeSample(bench, proxy, saturating, bench.effort.seconds);
  const rate = full.requestsPerSecond / 2;
  return {
    saturation: full.requestsPerSecond,
    rate,
    // A request takes its pause and the response time, which is short at half load.
    load: { ...saturating, thinkTime: (connections / rate) * 1000 },
  };
}

async function measure(
  bench: Bench,
  name: string,
  proxy: RunningProxy,
  base: RunningProxy,
): Promise<LatencyResult> {
  bench.progress(`p99: saturation of ${name}`);
  const { saturation, rate, load } = await halfLoad(bench, proxy);
  const samples: Sample[] = [];
  const referenceSamples: Sample[] = [];
  const take = async (into: Sample[], measured: RunningProxy): Promise<void> => {
    into.push(await takeSample(bench, measured, load, latencySeconds(bench)));
  };
  for (let round = 1; round <= bench.effort.rounds; round++) {
    bench.progress(`p99: round ${round} of ${bench.effort.rounds}, ${name}`);
    if (round % 2 === 0) await take(referenceSamples, base);
    await take(samples, proxy);
    if (round % 2 === 1) await take(referenceSamples, base);
  }
  const all = [...samples, ...referenceSamples];
  const refused =
    all.find(sample => sample.refused !== undefined)?.refused ??
    (all.every(sample => near(sample.requestsPerSecond, rate, rateTolerance))
      ? undefined
      : `a run missed the rate of ${formatCount(rate)} requests a second`) ??
    (pairedRatios(rates(samples), rates(referenceSamples)).every(ratio => near(ratio, 1, pairTolerance))
      ? undefined
      : `the rates of a pair of runs differ`);
  const over = (of: readonly Sample[], pick: (sample: Sample) => number): Summary | undefined =>
    refused === undefined ? summarise(of.map(pick)) : undefined;
  return {
    proxy: name,
    saturation,
    rate: over(samples, requestsPerSecond),
    p99: over(samples, p99Of),
    referenceP99: over(referenceSamples, p99Of),
    ratio:
      refused === undefined
        ? summarise(pairedRatios(samples.map(p99Of), referenceSamples.map(p99Of)))
        : undefined,
    refused,
    samples,
    referenceSamples,
  };
}

function requestsPerSecond(sample: Sample): number {
  return sample.requestsPerSecond;
}

function rates(samples: readonly Sample[]): number[] {
  return samples.map(requestsPerSecond);
}

function near(value: number, target: number, tolerance: number): boolean {
  return Math.abs(value / target - 1) < tolerance;
}
