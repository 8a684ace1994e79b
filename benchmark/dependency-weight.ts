// `npm run bench:dependencies`: measures what each dependency of Weldr costs a process that loads it, alone and from
// node_modules.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { formatMedian, formatSpread, sectionMarkdown, summarise } from './report.ts';

const rounds = 9;
const project = fileURLToPath(new URL('..', import.meta.url));

/** As the sources import them; the four of OpenTelemetry are loaded together. */
const packages: readonly string[] = [
  ...['zod', 'pino', 'tapable', 'sade', 'undici', 'polka', 'cosmiconfig', 'js-yaml', 'pino-pretty'],
  ...['acme-client', 'jose', 'prom-client', 'bcryptjs', 'etcd3'],
  '@opentelemetry/api @opentelemetry/resources @opentelemetry/sdk-trace @opentelemetry/exporter-trace-otlp-proto',
];

/** Wall-clock time of `import()` and CPU time of all threads meanwhile, ms; growth of the resident set, MB. */
const weight = z.strictObject({ time: z.number(), cpu: z.number(), memory: z.number() });
type Weight = z.infer<typeof weight>;

const weights = new Map(packages.map((names): [string, Weight[]] => [names, []]));
// The first round fills the page cache.
for (let round = 0; round <= rounds; round++) {
  for (const [names, found] of weights) {
    const one = weigh(names.split(' '));
    if (round > 0) found.push(one);
  }
}
const section = {
  name: 'dependencies',
  title: `import() in a fresh process, Node ${process.versions.node}, medians of ${rounds}`,
  headings: ['package', 'ms (quartiles)', 'CPU, ms', 'MB'],
  rows: [...weights].map(([names, found]) => {
    const of = (key: keyof Weight) => summarise(found.map(one => one[key]));
    const [first = '', ...others] = names.split(' ');
    return [
      others.length === 0 ? `\`${first}\`` : `\`${first}\` and ${others.length} more`,
      formatSpread(of('time'), oneDigit),
      formatMedian(of('cpu'), oneDigit),
      formatMedian(of('memory'), oneDigit),
    ];
  }),
  notes: [],
  refusals: [],
};
console.log(sectionMarkdown(section));

/**
 * Imports the packages in a separate process. It imports an empty module first, so that Node's loader is not counted. Garbage
 * is not counted either: the collector runs first and last.
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
    const memory = (process.memoryUsage.rss() - before) / 1e6;
    console.log(JSON.stringify({ time, cpu: (user + system) / 1000, memory }));`;
  const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };
  const args = ['--expose-gc', '--input-type=module', '-e', code];
  return weight.parse(
    JSON.parse(execFileSync(process.execPath, args, { cwd: project, env, encoding: 'utf8' })),
  );
}

function oneDigit(value: number): string {
  return value.toFixed(1);
}
