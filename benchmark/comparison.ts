// Comparison: the study of one scenario, which compares every peer with the reference in paired rounds.
import { reference } from './peers.ts';
import {
  formatBytes,
  formatCount,
  formatMedian,
  formatRatio,
  formatTime,
  pairedRatios,
  type Summary,
  summarise,
} from './report.ts';
import { noiseNotes, refusalOf, type Sample, takeRounds } from './sample.ts';
import type { Scenario } from './scenarios.ts';
import type { Study } from './study.ts';

/** From this share, the client's core limits the throughput, not the proxy. */
const clientSaturation = 0.97;

/** Returns the study that puts one scenario's load on every peer. */
export function comparison({ name, title, load }: Scenario): Study {
  return {
    name,
    async run(bench) {
      const entry = load.entry ?? 'http';
      const measured = bench.running.filter(({ peer }) => peer.entries.includes(entry));
      const byName = new Map(measured.map(running => [running.peer.name, running]));
      const samples = await takeRounds(bench, name, byName, load, 'first');
      const base = samples.get(reference.name) ?? [];
      const results = [...samples].map(([proxy, own]) => summarisePeer(proxy, own, base));
      const isBound = results.some(({ clientBound }) => clientBound);
      const bound = '≥: the core of client and origin had no time left, so the proxy may do more.';
      const times = `× ${reference.name}`;
      const section = {
        name,
        title,
        headings: [
          ...['', 'CPU per request', `${times} (quartiles)`, 'requests/s', times],
          ...['p50', 'p99', 'memory'],
        ],
        rows: results.map(cells),
        notes: [...(isBound ? [bound] : []), ...noiseNotes([...samples.values()].flat())],
        refusals: results.flatMap(({ proxy, refused }) =>
          refused === undefined ? [] : [`${proxy}: no comparison: ${refused}`],
        ),
      };
      const ratios = results.flatMap(({ proxy, cpuRatio }) =>
        cpuRatio === undefined ? [] : [[proxy, cpuRatio.median] as const],
      );
      return { section, figures: results, ratios: Object.fromEntries(ratios) };
    },
  };
}

type PeerResult = ReturnType<typeof summarisePeer>;

function summarisePeer(proxy: string, samples: readonly Sample[], base: readonly Sample[]) {
  const own = refusalOf(samples);
  const others = refusalOf(base);
  const refused = own ?? (others === undefined ? undefined : `${reference.name}: ${others}`);
  const over = (pick: (sample: Sample) => number | undefined): Summary | undefined =>
    own === undefined ? summarise(samples.map(pick).filter(value => value !== undefined)) : undefined;
  const ratio = (pick: (sample: Sample) => number): Summary | undefined =>
    refused === undefined ? summarise(pairedRatios(samples.map(pick), base.map(pick))) : undefined;
  return {
    proxy,
    /** Why there are no figures, or no comparison. */
    refused,
    /** The ratio to the reference, per round. */
    cpuRatio: ratio(sample => sample.cpuPerRequest),
    throughputRatio: ratio(sample => sample.requestsPerSecond),
    cpuPerRequest: over(sample => sample.cpuPerRequest),
    requestsPerSecond: over(sample => sample.requestsPerSecond),
    p50: over(sample => sample.p50),
    p99: over(sample => sample.p99),
    memory: over(sample => sample.memory),
    /** The client's core was saturated, so the peer may be able to do more. */
    clientBound: samples.some(sample => sample.clientCoresBusy >= clientSaturation),
    samples,
  };
}

function cells(result: PeerResult): string[] {
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
