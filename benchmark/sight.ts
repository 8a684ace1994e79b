// Sight: the cost of access log, metrics, ids and traces per request; each set-up is compared with the one without.
import { createServer } from 'node:http';
import { freePort, stop } from './processes.ts';
import type { RunningProxy } from './proxies/proxy.ts';
import { startWeldr, weldr } from './proxies/weldr.ts';
import { noiseNotes, type Sample, takeSample } from './sample.ts';
import { formatMedian, formatRatio, formatTime } from './section.ts';
import { pairedRatios, summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

/** One set of plugins that observe requests. */
interface SetUp {
  readonly label: string;
  /** Its plugins, as code for a config; `RECEIVER`: where spans go. */
  readonly plugins: readonly string[];
  /** The set-up to compare with; undefined for the first one. */
  readonly base: string | undefined;
}

const all = ['requestId()', "accessLog({ file: 'access.log' })", 'metrics()'];
const plain = 'without';
const seen = 'access log, metrics, ids';

const setUps: readonly SetUp[] = [
  { label: plain, plugins: [], base: undefined },
  { label: 'access log', plugins: all.slice(1, 2), base: plain },
  { label: 'metrics', plugins: all.slice(2), base: plain },
  { label: 'ids', plugins: all.slice(0, 1), base: plain },
  { label: seen, plugins: all, base: plain },
  {
    label: '… and 1 % of traces',
    plugins: [...all, "tracing({ sample: 0.01, exporter: { url: 'RECEIVER' } })"],
    base: seen,
  },
];

const load = { path: '/small', connections: 64 };

export const sight: Study = {
  name: 'sight',
  quick: false,
  async run(bench) {
    const section = { name: 'sight', title: 'what it costs a small GET to be seen' };
    const headings = ['', 'CPU a request', 'over', 'ratio (quartiles)'];
    if (!bench.proxies.includes(weldr)) {
      const notes = ['It needs weldr.'];
      return { section: { ...section, headings: [], rows: [], notes, refusals: [] }, figures: undefined };
    }
    const samples = await measure(bench);
    const cpuOf = (label: string): readonly number[] =>
      (samples.get(label) ?? []).map(sample => sample.cpuPerRequest);
    const rows = setUps.map(({ label, base }) => [
      label,
      formatMedian(summarise(cpuOf(label)), formatTime),
      base ?? '–',
      base === undefined ? '–' : formatRatio(summarise(pairedRatios(cpuOf(label), cpuOf(base)))),
    ]);
    const every = [...samples.values()].flat();
    const refusals = every.flatMap(({ refused }) => (refused === undefined ? [] : [refused]));
    return {
      section: { ...section, headings, rows, notes: noiseNotes(every), refusals: [...new Set(refusals)] },
      figures: Object.fromEntries(samples),
    };
  },
};

/** Runs all set-ups at the same time; each gets a load once per round, in rotating order. */
async function measure(bench: Bench): Promise<ReadonlyMap<string, readonly Sample[]>> {
  const { effort, cores, origin } = bench;
  const receiver = createServer((request, response) => void request.resume().on('end', () => response.end()));
  const port = await freePort();
  await new Promise<void>(resolve => void receiver.listen(port, '127.0.0.1', resolve));
  const running: [string, RunningProxy][] = [];
  const samples = new Map<string, Sample[]>(setUps.map(({ label }) => [label, []]));
  try {
    for (const { label, plugins } of setUps) {
      const own = plugins.map(text => text.replace('RECEIVER', `http://127.0.0.1:${port}/v1/traces`));
      running.push([label, await startWeldr({ origin, cores: cores.proxy, workers: 1 }, own)]);
    }
    for (let round = 0; round <= effort.rounds; round++) {
      for (const [label, proxy] of round % 2 === 0 ? running : running.toReversed()) {
        bench.progress(`sight: ${round === 0 ? 'warm-up' : `round ${round} of ${effort.rounds}`}, ${label}`);
        // A worker that had nothing to do while the others were measured compiles again.
        await takeSample(bench, proxy, load, effort.warmUp);
        if (round > 0) samples.get(label)?.push(await takeSample(bench, proxy, load, effort.seconds));
      }
    }
  } finally {
    for (const [, proxy] of running) await stop(proxy.process);
    receiver.closeAllConnections();
    receiver.close();
  }
  return samples;
}
