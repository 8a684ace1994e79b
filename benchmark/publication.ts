// Publication: writes the figures of a full run to the repository: as JSON, as a chart, and in docs/performance.md.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { drawChart } from './chart.ts';
import { reference, weldr } from './peers.ts';
import { replaceFigures, sectionMarkdown, studyResult } from './report.ts';

/** Everything about one run of the benchmark. */
export const benchmarkRecord = z.strictObject({
  /** ISO 8601, UTC. */
  date: z.string(),
  machine: z.strictObject({
    cpu: z.string(),
    cores: z.number(),
    memoryBytes: z.number(),
    kernel: z.string(),
    system: z.string(),
  }),
  /** By name: the compared peers, and the load generator. */
  versions: z.record(z.string(), z.string()),
  rounds: z.number(),
  /** The length of one run, s. */
  seconds: z.number(),
  results: z.array(studyResult),
});
export type BenchmarkRecord = z.infer<typeof benchmarkRecord>;

const project = fileURLToPath(new URL('..', import.meta.url));
const results = `${project}benchmark/results`;
const begin = '<!-- figures: written by npm run bench -- --publish -->';
const end = '<!-- end of the figures -->';
const charted = ['small', '64k'];

/** Writes the JSON of any run. Returns its path. */
export function saveRecord(record: BenchmarkRecord): string {
  const path = `${results}/${record.date.slice(0, 19).replaceAll(':', '-')}.json`;
  mkdirSync(results, { recursive: true });
  writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`);
  return path;
}

/** Writes the figures to the documentation. Returns the paths. */
export function publish(record: BenchmarkRecord): string[] {
  const [latest, chart, document] = [
    `${results}/latest.json`,
    `${project}docs/benchmark.svg`,
    `${project}docs/performance.md`,
  ];
  // Single runs are in the dated JSON; the committed file only has summaries.
  const withoutSamples = (key: string, value: unknown) => (/samples$/i.test(key) ? undefined : value);
  writeFileSync(latest, `${JSON.stringify(record, withoutSamples, 2)}\n`);
  writeFileSync(chart, chartOf(record));
  const text = readFileSync(document, 'utf8');
  writeFileSync(document, replaceFigures(text, begin, end, figuresMarkdown(record)));
  return [latest, chart, document];
}

/** Returns the figures as docs/performance.md has them. */
export function figuresMarkdown(record: BenchmarkRecord): string {
  const { date, machine, versions, rounds, seconds } = record;
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gibibytes = Math.round(machine.memoryBytes / 2 ** 30);
  return [
    `Measured on ${date.slice(0, 10)} on ${machine.cores} cores of an ${machine.cpu} with ${gibibytes} GiB of memory, ` +
      `${machine.system}, Linux ${machine.kernel}; ${rounds} rounds of ${seconds} s. ${list.join('; ')}.`,
    ...record.results.map(({ section }) => sectionMarkdown(section)),
  ].join('\n\n');
}

/** Returns docs/benchmark.svg. */
export function chartOf({ machine, versions, results }: BenchmarkRecord): string {
  const groups = charted.flatMap(name => {
    const result = results.find(({ section }) => section.name === name);
    return result?.ratios === undefined ? [] : [{ title: result.section.title, ratios: result.ratios }];
  });
  const node = versions[weldr.name]?.replace(/^.*Node /, '') ?? '';
  return drawChart({
    title: `CPU per request, as a multiple of ${reference.name} (lower is better)`,
    subtitle: `one core of an ${machine.cpu}; nginx ${versions[reference.name] ?? ''}, Weldr under Node ${node}; npm run bench`,
    groups,
    highlighted: weldr.name,
  });
}
