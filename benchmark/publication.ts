// Publication: writes the figures of a full run to the repository: as JSON, as a chart, and in docs/performance.md.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { drawChart } from './chart.ts';
import type { MachineDescription } from './machine.ts';
import { weldr } from './proxies/weldr.ts';
import { sectionMarkdown } from './section.ts';
import type { StudyResult } from './study.ts';

/** Everything about one run of the benchmark. */
export interface BenchmarkRecord {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: MachineDescription;
  /** By name: the compared proxies, and the load generator. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** The length of one run. */
  readonly seconds: number;
  readonly results: readonly StudyResult[];
}

const project = fileURLToPath(new URL('..', import.meta.url));
const results = `${project}benchmark/results`;
const document = `${project}docs/performance.md`;
const begin = '<!-- figures: written by npm run bench -- --publish -->';
const end = '<!-- end of the figures -->';
const charted = ['small', '64k'];

/** Writes the JSON of any run. Returns its path. */
export function saveRecord(record: BenchmarkRecord): string {
  const path = `${results}/${record.date.slice(0, 19).replaceAll(':', '-')}.json`;
  writeJson(path, record);
  return path;
}

/** Writes the figures to the documentation. Returns the paths. */
export function publish(record: BenchmarkRecord): string[] {
  const latest = `${results}/latest.json`;
  const chart = `${project}docs/benchmark.svg`;
  writeJson(latest, withoutSamples(record));
  mkdirSync(`${project}docs`, { recursive: true });
  writeFileSync(chart, chartOf(record));
  const before = existsSync(document)
    ? readFileSync(document, 'utf8')
    : `# Performance\n\n${begin}\n${end}\n`;
  writeFileSync(document, replaceFigures(before, figuresMarkdown(record)));
  return [latest, chart, document];
}

/** Puts figures between their marks, or at the end of a text without marks. */
export function replaceFigures(text: string, figures: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  const block = `${begin}\n${figures}\n${end}`;
  if (from < 0 || to < from) return `${text.trimEnd()}\n\n${block}\n`;
  return text.slice(0, from) + block + text.slice(to + end.length);
}

function figuresMarkdown({ date, machine, versions, rounds, seconds, results }: BenchmarkRecord): string {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gibibytes = Math.round(machine.memoryBytes / 2 ** 30);
  return [
    `Measured on ${date.slice(0, 10)} on ${machine.cores} cores of an ${machine.cpu} with ${gibibytes} GiB of memory, ` +
      `${machine.system}, Linux ${machine.kernel}; ${rounds} rounds of ${seconds} s. ${list.join('; ')}.`,
    ...results.map(({ section }) => sectionMarkdown(section)),
  ].join('\n\n');
}

function chartOf({ machine, versions, results }: BenchmarkRecord): string {
  const groups = charted.flatMap(name => {
    const result = results.find(({ section }) => section.name === name);
    return result?.ratios === undefined ? [] : [{ title: result.section.title, ratios: result.ratios }];
  });
  return drawChart({
    title: 'CPU a request, as a multiple of nginx (less is better)',
    subtitle: `one core of an ${machine.cpu}; nginx ${versions['nginx'] ?? ''}, Weldr under Node ${process.versions.node}; npm run bench`,
    groups,
    highlighted: weldr.name,
  });
}

/** Removes single runs, which are in the dated JSON; the committed file only has summaries. */
function withoutSamples(record: BenchmarkRecord): unknown {
  return JSON.parse(
    JSON.stringify(record, (key, value: unknown) => (/samples$/i.test(key) ? undefined : value)),
  );
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(results, { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
