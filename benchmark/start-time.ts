// Start: the time from the command to the first successful request, and the memory at rest after it, both compared with
// the runtime itself.
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { memoryOf, processTree } from './accounting.ts';
import { freePort, type Running, run, runToEnd, stop, temporaryFolder } from './processes.ts';
import { type ConfigModules, sources, weldr, weldrConfig } from './proxies/weldr.ts';
import { formatBytes, formatMedian, formatTime } from './section.ts';
import { startedWeldr } from './started-weldr.ts';
import { summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const runtimeTimeout = 20_000;
/** After this time all work of the start is done, ms. */
const restAfter = 3_000;

/** A way to start Weldr. */
interface Variant {
  readonly label: string;
  readonly command: readonly string[];
  readonly folder: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The figures of one start. */
interface Started {
  /** The time until the first response, µs. */
  readonly time: number;
  /** The memory of all processes at rest, bytes. */
  readonly memory: number;
}

export const startTime: Study = {
  name: 'start',
  quick: false,
  async run(bench) {
    const section = {
      name: 'start',
      title: 'start: from the command to the first request that came through, and memory at rest',
    };
    if (!bench.proxies.includes(weldr)) {
      return {
        section: { ...section, headings: [], rows: [], notes: ['It needs weldr.'], refusals: [] },
        figures: undefined,
      };
    }
    const variants = await variantsOf(bench);
    const runtime: Started[] = [];
    const starts = variants.map((): Started[] => []);
    // The first round fills the page cache and the compile cache, as for a second start on a server.
    for (let round = 0; round <= bench.effort.rounds; round++) {
      bench.progress(`start: round ${round} of ${bench.effort.rounds}`);
      const bare = await startRuntime(bench);
      if (round > 0) runtime.push(bare);
      for (const [index, variant] of variants.entries()) {
        const started = await startWeldr(bench, variant);
        if (round > 0) starts[index]?.push(started);
      }
    }
    return {
      section: {
        ...section,
        headings: ['', 'in all', "after the runtime's own start", 'memory', 'over two bare Node processes'],
        rows: [
          rowOf('node -e 0; two that wait', runtime, undefined),
          ...variants.map(({ label }, index) => rowOf(label, starts[index] ?? [], runtime)),
        ],
        notes: [
          `Manager and one worker start on ${allCores(bench).length} cores.`,
          'Memory is the proportional set size: the benchmark is a Node process, and has its share of the pages of the runtime.',
        ],
        refusals: [],
      },
      figures: { runtime, ...Object.fromEntries(variants.map(({ label }, i) => [label, starts[i]])) },
    };
  },
};

function rowOf(label: string, starts: readonly Started[], runtime: readonly Started[] | undefined): string[] {
  const times = starts.map(({ time }) => time);
  const memories = starts.map(({ memory }) => memory);
  const over = (values: readonly number[], of: keyof Started): number[] =>
    values.map((value, round) => value - (runtime?.[round]?.[of] ?? 0));
  const bare = runtime === undefined;
  return [
    label,
    formatMedian(summarise(times), formatTime),
    bare ? '–' : formatMedian(summarise(over(times, 'time')), formatTime),
    formatMedian(summarise(memories), formatBytes),
    bare ? '–' : formatMedian(summarise(over(memories, 'memory')), formatBytes),
  ];
}

async function variantsOf(bench: Bench): Promise<Variant[]> {
  const root = await build(bench);
  const built = {
    command: [join(root, 'dist/bin/weldr.js')],
    modules: { weldr: join(root, 'dist/index.js'), plugins: join(root, 'dist/plugins.js') },
  };
  const fromSources = { command: ['-C', 'weldr-source', join(project, 'bin/weldr.ts')], modules: sources };
  const cached = { XDG_CACHE_HOME: temporaryFolder('compile-cache') };
  return [
    await variant(bench, 'weldr, built', built, cached),
    await variant(bench, 'weldr, built, without a compile cache', built, { NODE_DISABLE_COMPILE_CACHE: '1' }),
    await variant(bench, 'weldr, sources', fromSources, {}),
  ];
}

/** Makes a variant that keeps its config and ports, as on a server, so that Node's compile cache has the config too. */
async function variant(
  bench: Bench,
  label: string,
  { command, modules }: { readonly command: readonly string[]; readonly modules: ConfigModules },
  env: Readonly<Record<string, string>>,
): Promise<Variant> {
  const folder = temporaryFolder('start');
  const port = await freePort();
  const config = join(folder, 'weldr.config.ts');
  const text = weldrConfig(modules, `127.0.0.1:${port}`, await freePort(), {
    origin: bench.origin,
    workers: 1,
  });
  writeFileSync(config, text);
  return { label, command: [...command, 'start', '--config', config], folder, port, env };
}

/** Returns all cores: nothing else runs during a start. */
export function allCores({ cores }: Bench): number[] {
  return [...new Set([...cores.proxy, ...cores.client, ...cores.origin])];
}

async function startRuntime(bench: Bench): Promise<Started> {
  const cores = allCores(bench);
  const start = performance.now();
  await runToEnd(process.execPath, ['-e', '0'], { cores, timeoutMs: runtimeTimeout });
  const time = (performance.now() - start) * 1000;
  const waiting = [1, 2].map(() => run(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { cores }));
  try {
    await sleep(restAfter);
    return { time, memory: memoryAtRest(waiting) };
  } finally {
    await Promise.all(waiting.map(stop));
  }
}

async function startWeldr(bench: Bench, { command, folder, port, env }: Variant): Promise<Started> {
  const { running, time } = await startedWeldr(command, port, { cores: allCores(bench), cwd: folder, env });
  try {
    await sleep(restAfter);
    return { time, memory: memoryAtRest([running]) };
  } finally {
    await stop(running);
  }
}

function memoryAtRest(processes: readonly Running[]): number {
  return memoryOf(processes.flatMap(({ pid }) => processTree(pid)));
}

/** Builds the published package, in a folder where it finds its dependencies. */
async function build(bench: Bench): Promise<string> {
  const root = join(project, 'node_modules/.cache/weldr-benchmark');
  const bundler = join(project, 'node_modules/.bin/rolldown');
  const args = ['-c', join(project, 'rolldown.config.ts'), '--dir', join(root, 'dist')];
  await runToEnd(bundler, args, { cores: bench.cores.client, cwd: project, timeoutMs: 120_000 });
  cpSync(join(project, 'package.json'), join(root, 'package.json'));
  return root;
}
