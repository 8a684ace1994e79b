// Start time: from the command to the first request that came through, less what the runtime itself takes.
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, run, runToEnd, stop, temporaryFolder } from './processes.ts';
import { weldr, weldrConfig } from './proxies/weldr.ts';
import { formatMedian, formatTime } from './section.ts';
import { summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

const project = fileURLToPath(new URL('..', import.meta.url));
const startTimeout = 20_000;
/** Between two tries to get an answer, ms: asking all the time would take a core from those who start. */
const pollInterval = 5;

/** A way to start Weldr. */
interface Variant {
  readonly label: string;
  readonly root: string;
  readonly extension: 'ts' | 'js';
  readonly flags: readonly string[];
}

export const startTime: Study = {
  name: 'start',
  quick: false,
  async run(bench) {
    const section = {
      name: 'start',
      title: 'start: from the command to the first request that came through',
    };
    if (!bench.proxies.includes(weldr)) {
      return {
        section: { ...section, headings: [], rows: [], notes: ['It needs weldr.'], refusals: [] },
        figures: undefined,
      };
    }
    const variants: Variant[] = [
      { label: 'weldr, built', root: await build(bench), extension: 'js', flags: [] },
      { label: 'weldr, sources', root: project, extension: 'ts', flags: ['-C', 'weldr-source'] },
    ];
    const runtime: number[] = [];
    const starts = variants.map((): number[] => []);
    // The first round fills the page cache and the compile cache, as a second start on a server finds them.
    for (let round = 0; round <= bench.effort.rounds; round++) {
      bench.progress(`start: round ${round} of ${bench.effort.rounds}`);
      const bare = await startRuntime(bench);
      if (round > 0) runtime.push(bare);
      for (const [index, variant] of variants.entries()) {
        const started = await startWeldr(bench, variant);
        if (round > 0) starts[index]?.push(started);
      }
    }
    const row = (label: string, times: readonly number[]): string[] => {
      const less = times.map((time, round) => time - (runtime[round] ?? 0));
      return [label, formatMedian(summarise(times), formatTime), formatMedian(summarise(less), formatTime)];
    };
    return {
      section: {
        ...section,
        headings: ['', 'in all', "after the runtime's own start"],
        rows: [
          ['node -e 0', formatMedian(summarise(runtime), formatTime), '–'],
          ...variants.map(({ label }, index) => row(label, starts[index] ?? [])),
        ],
        notes: [`Manager and worker start on ${allCores(bench).length} cores.`],
        refusals: [],
      },
      figures: { runtime, ...Object.fromEntries(variants.map(({ label }, i) => [label, starts[i]])) },
    };
  },
};

/** Here nothing else runs, so that a start may have all of them. */
function allCores({ cores }: Bench): number[] {
  return [...new Set([...cores.proxy, ...cores.client, ...cores.origin])];
}

async function startRuntime(bench: Bench): Promise<number> {
  const start = performance.now();
  await runToEnd(process.execPath, ['-e', '0'], { cores: allCores(bench), timeoutMs: startTimeout });
  return (performance.now() - start) * 1000;
}

/** Answers µs. */
async function startWeldr(bench: Bench, { root, extension, flags }: Variant): Promise<number> {
  const folder = temporaryFolder('start');
  const port = await freePort();
  const adminPort = await freePort();
  const config = join(folder, 'weldr.config.ts');
  writeFileSync(config, weldrConfig(root, port, adminPort, { origin: bench.origin, workers: 1 }, extension));
  const command = [...flags, join(root, `bin/weldr.${extension}`), 'start', '--config', config];
  const start = performance.now();
  const running = run(process.execPath, command, { cores: allCores(bench), cwd: folder });
  let gone = false;
  void running.ended.then(() => {
    gone = true;
  });
  try {
    while (!(await answers(port))) {
      if (gone || performance.now() - start > startTimeout) {
        throw new Error(`weldr does not serve: ${running.output}`);
      }
      await sleep(pollInterval);
    }
    return (performance.now() - start) * 1000;
  } finally {
    await stop(running);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const asked = get({ port, host: '127.0.0.1', path: '/small', agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
    });
    asked.on('error', () => resolve(false));
  });
}

/** Compiles what would be published to a folder from where it finds its dependencies. */
async function build(bench: Bench): Promise<string> {
  const root = join(project, 'node_modules/.cache/weldr-benchmark');
  const compiler = join(project, 'node_modules/.bin/tsc');
  const args = ['-p', join(project, 'tsconfig.build.json'), '--outDir', root];
  await runToEnd(compiler, args, { cores: bench.cores.client, timeoutMs: 120_000 });
  writeFileSync(join(root, 'package.json'), '{ "name": "weldr", "version": "0.0.0", "type": "module" }\n');
  return root;
}
