// Start: the time from the command to the first successful request, and the memory at rest after it, both compared with
// the runtime itself.
import { cpSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { memoryOf, processTree } from './accounting.ts';
import { allCores } from './machine.ts';
import { launchPeer, type Peer, preparePeer } from './peer.ts';
import { sources, weldr, weldrPeer } from './peers.ts';
import { type Running, run, runToEnd, stop, temporaryFolder, waitFor } from './processes.ts';
import { formatBytes, formatMedian, formatTime, summarise } from './report.ts';
import type { Bench, Study } from './study.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const timeout = 120_000;
/** After this time all work of the start is done, ms. */
const restAfter = 3_000;
/** The pause between attempts to get a response, ms: without one, polling would take a core from the start. */
const pause = 5;

/** The figures of one start. */
interface Started {
  /** The time until the first response, µs. */
  readonly time: number;
  /** The memory of all processes at rest, bytes. */
  readonly memory: number;
}

/** Something to start once per round. */
interface Subject {
  readonly label: string;
  start(): Promise<Started>;
  readonly figures: Started[];
}

export const startTime: Study = {
  name: 'start',
  needs: weldr.name,
  async run(bench) {
    const { rounds } = bench.effort;
    const cores = allCores(bench.cores);
    const subjects = await subjectsOf(bench, cores);
    // The first round fills the page cache and the compile cache, as for a second start on a server.
    for (let round = 0; round <= rounds; round++) {
      for (const { label, start, figures } of subjects) {
        bench.progress(`start: round ${round} of ${rounds}, ${label}`);
        const started = await start();
        if (round > 0) figures.push(started);
      }
    }
    const section = {
      name: 'start',
      title: 'start: from the command to the first successful request, and memory at rest',
      headings: ['', 'total', "after the runtime's own start", 'memory', 'over two bare Node processes'],
      rows: subjects.map(({ label, figures }) => {
        const base = subjects[0]?.figures === figures ? [] : (subjects[0]?.figures ?? []);
        return [
          label,
          ...cells(figures, base, 'time', formatTime),
          ...cells(figures, base, 'memory', formatBytes),
        ];
      }),
      notes: [
        `Manager and one worker start on ${cores.length} cores.`,
        'Memory is the proportional set size: the benchmark is a Node process, and has its share of the pages of the runtime.',
      ],
      refusals: [],
    };
    return { section, figures: Object.fromEntries(subjects.map(({ label, figures }) => [label, figures])) };
  },
};

function cells(
  own: readonly Started[],
  base: readonly Started[],
  of: keyof Started,
  format: (value: number) => string,
): string[] {
  const over = base.map((bare, round) => (own[round]?.[of] ?? Number.NaN) - bare[of]);
  return [own.map(one => one[of]), over].map(values => formatMedian(summarise(values), format));
}

/** Returns the runtime and each way to start Weldr. */
async function subjectsOf(bench: Bench, cores: readonly number[]): Promise<Subject[]> {
  const dist = await bundle(bench);
  const built = {
    command: [join(dist, 'bin/weldr.js')],
    exports: join(dist, 'index.js'),
    plugins: join(dist, 'plugins.js'),
  };
  const variants = [
    { label: 'weldr, built', copy: built, env: { XDG_CACHE_HOME: temporaryFolder('compile-cache') } },
    { label: 'weldr, built, without a compile cache', copy: built, env: { NODE_DISABLE_COMPILE_CACHE: '1' } },
    { label: 'weldr, sources', copy: sources, env: {} },
  ];
  const bare = { label: 'node -e 0; two that wait', start: () => startRuntime(cores), figures: [] };
  const subjects: Subject[] = [bare];
  for (const { label, copy, env } of variants) {
    const peer: Peer = { ...weldrPeer({ copy, entries: ['http'] }), env: () => env };
    // It keeps its place, as on a server, so that Node's compile cache has the config too.
    const place = await preparePeer(peer, bench.origin.place.http);
    const start = async (): Promise<Started> => {
      const begin = performance.now();
      const running = launchPeer(peer, place, cores);
      await waitFor(running, () => responds(place.http), { pause });
      return { time: (performance.now() - begin) * 1000, memory: await memoryAtRest([running]) };
    };
    subjects.push({ label, start, figures: [] });
  }
  return subjects;
}

async function startRuntime(cores: readonly number[]): Promise<Started> {
  const begin = performance.now();
  await runToEnd(process.execPath, ['-e', '0'], { cores, timeout });
  const time = (performance.now() - begin) * 1000;
  const waiting = [1, 2].map(() => run(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { cores }));
  return { time, memory: await memoryAtRest(waiting) };
}

/** Waits, measures the memory of processes, and stops them. */
async function memoryAtRest(processes: readonly Running[]): Promise<number> {
  await sleep(restAfter);
  const memory = memoryOf(processes.flatMap(({ pid }) => processTree(pid)));
  await Promise.all(processes.map(stop));
  return memory;
}

/** Builds the published package where it finds its dependencies. Returns the folder. */
async function bundle({ cores }: Bench): Promise<string> {
  const root = join(project, 'node_modules/.cache/weldr-benchmark');
  const args = ['-c', join(project, 'rolldown.config.ts'), '--dir', join(root, 'dist')];
  const bundler = join(project, 'node_modules/.bin/rolldown');
  await runToEnd(bundler, args, { cores: cores.client, cwd: project, timeout });
  cpSync(join(project, 'package.json'), join(root, 'package.json'));
  return join(root, 'dist');
}

function responds(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const asked = get({ port, host: '127.0.0.1', path: '/small', agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
    });
    asked.on('error', () => resolve(false));
  });
}
