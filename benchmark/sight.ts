// Sight: the cost per request of access log, metrics, ids and traces. Each set-up is compared with one that lacks them.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { freePort } from '../test/support/ports.ts';
import type { RunningPeer } from './peer.ts';
import { weldr, weldrPeer } from './peers.ts';
import { stop } from './processes.ts';
import { formatMedian, formatRatio, formatTime, pairedRatios, summarise } from './report.ts';
import { noiseNotes, refusalOf, takeRounds } from './sample.ts';
import type { Study } from './study.ts';

/** A set of plugins that observe requests. */
interface SetUp {
  readonly label: string;
  /** Its plugins, as code for a config; `RECEIVER`: where spans go. */
  readonly plugins: readonly string[];
  /** The set-up to compare with; undefined for the first one. */
  readonly base?: string;
}

const [ids, accessLog, metrics] = ['requestId()', "accessLog({ file: 'access.log' })", 'metrics()'];
const traces = "tracing({ sample: 0.01, exporter: { url: 'RECEIVER' } })";
const [plain, seen] = ['without', 'access log, metrics, ids'];

const setUps: readonly SetUp[] = [
  { label: plain, plugins: [] },
  { label: 'access log', plugins: [accessLog], base: plain },
  { label: 'metrics', plugins: [metrics], base: plain },
  { label: 'ids', plugins: [ids], base: plain },
  { label: seen, plugins: [ids, accessLog, metrics], base: plain },
  { label: '… and 1 % of traces', plugins: [ids, accessLog, metrics, traces], base: seen },
];

export const sight: Study = {
  name: 'sight',
  needs: weldr.name,
  async run(bench) {
    const receiver = createServer(
      (request, response) => void request.resume().on('end', () => response.end()),
    );
    const port = await freePort();
    await once(receiver.listen(port, '127.0.0.1'), 'listening');
    const running = new Map<string, RunningPeer>();
    try {
      for (const { label, plugins } of setUps) {
        const own = plugins.map(text => text.replace('RECEIVER', `http://127.0.0.1:${port}/v1/traces`));
        running.set(label, await bench.start(weldrPeer({ plugins: own })));
      }
      // A worker that had nothing to do while the others were measured compiles again.
      const load = { path: '/small', connections: 64 };
      const samples = await takeRounds(bench, 'sight', running, load, 'before each sample');
      const cpuOf = (label = ''): number[] =>
        (samples.get(label) ?? []).map(({ cpuPerRequest }) => cpuPerRequest);
      const every = [...samples.values()].flat();
      const refused = refusalOf(every);
      return {
        section: {
          name: 'sight',
          title: 'what observing a small GET costs',
          headings: ['', 'CPU per request', 'over', 'ratio (quartiles)'],
          rows: setUps.map(({ label, base }) => [
            label,
            formatMedian(summarise(cpuOf(label)), formatTime),
            base ?? '–',
            formatRatio(summarise(pairedRatios(cpuOf(label), cpuOf(base)))),
          ]),
          notes: noiseNotes(every),
          refusals: refused === undefined ? [] : [refused],
        },
        figures: Object.fromEntries(samples),
      };
    } finally {
      for (const { process } of running.values()) await stop(process);
      receiver.closeAllConnections();
      receiver.close();
    }
  },
};
