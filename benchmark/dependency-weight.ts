// `npm run bench:dependencies`: measures what each dependency of Weldr costs a process that loads it, alone and from
// node_modules: the time of its `import()`, wall-clock and CPU, and the growth of the process. `--rounds N`,
// default 9.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatMedian, sectionMarkdown } from './section.ts';
import { type Summary, summarise } from './statistics.ts';

/** As the sources import them; the four of OpenTelemetry are loaded together. */
const packages: readonly (readonly string[])[] = [
  ['zod'],
  ['pino'],
  ['tapable'],
  ['sade'],
  ['undici'],
  ['polka'],
  ['cosmiconfig'],
  ['js-yaml'],
  ['pino-pretty'],
  ['acme-client'],
  ['jose'],
  ['prom-client'],
  ['bcryptjs'],
  ['etcd3'],
  [
    '@opentelemetry/api',
    '@opentelemetry/resources',
    '@opentelemetry/sdk-trace',
    '@opentelemetry/exporter-trace-otlp-proto',
  ],
];

interface Weight {
  /** The wall-clock time of `import()`, ms. */
  readonly time: number;
  /** The CPU time of all threads meanwhile, ms, which other work on the machine affects least. */
  readonly cpu: number;
  /** The growth of the resident set, bytes. */
  readonly memory: number;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  throw new Error(`--rounds: expected a number from 1, got ${values.rounds}`);
}
const project = fileURLToPath(new URL('..', import.meta.url));
const weights = packages.map((): Weight[] => []);
// The first round fills the page cache.
for (let round = 0; round <= rounds; round++) {
  for (const [index, names] of packages.entries()) {
    const weight = weigh(names);
    if (round > 0) weights[index]?.push(weight);
  }
}
process.stdout.write(
  `${sectionMarkdown({
    name: 'dependencies',
    title: `import() in a fresh process, Node ${process.versions.node}, medians of ${rounds}`,
    headings: ['package', 'ms (quartiles)', 'CPU, ms', 'MB'],
    rows: packages.map((names, index) => rowOf(names, weights[index] ?? [])),
    notes: [],
    refusals: [],
  })}\n`,
);

/**
 * Imports the packages in a separate process, which has imported an empty module before, so that Node's loader is not counted.
 * Garbage is not counted either: the collector runs first and last.
 */
function weigh(names: readonly string[]): Weight {
  const code = `
    await import('data:text/javascript,');
    globalThis.gc();
    const before = process.memoryUsage.rss();
    const usage = process.cpuUsage();
    const start = performance.now();
    for (const name of ${JSON.stringify(names)}) await import(name);
    const time = performance.now() - start;
    const { user, system } = process.cpuUsage(usage);
    globalThis.gc();
    console.log(JSON.stringify({ time, cpu: (user + system) / 1000, memory: process.memoryUsage.rss() - before }));`;
  const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };
  const args = ['--expose-gc', '--input-type=module', '-e', code];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: project, env, encoding: 'utf8' }));
}

function rowOf(names: readonly string[], weights: readonly Weight[]): string[] {
  const name = names.length === 1 ? `\`${names[0]}\`` : `\`${names[0]}\` and ${names.length - 1} more`;
  const summaries = {
    time: summarise(weights.map(({ time }) => time)),
    cpu: summarise(weights.map(({ cpu }) => cpu)),
    memory: summarise(weights.map(({ memory }) => memory / 1e6)),
  };
  return [
    name,
    formatSpread(summaries.time),
    formatMedian(summaries.cpu, oneDigit),
    formatMedian(summaries.memory, oneDigit),
  ];
}

function formatSpread(summary: Summary | undefined): string {
  if (summary === undefined) return '–';
  return `${oneDigit(summary.median)} (${oneDigit(summary.low)}–${oneDigit(summary.high)})`;
}

function oneDigit(value: number): string {
  return value.toFixed(1);
}
