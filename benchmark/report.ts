// The report: a table with its notes, for a terminal or as Markdown, and how figures are summarised and written in it.
import { z } from 'zod';

const section = z.strictObject({
  /** Its name for `--scenario`. */
  name: z.string(),
  title: z.string(),
  headings: z.array(z.string()),
  /** The first column is text, the others are figures. */
  rows: z.array(z.array(z.string())),
  notes: z.array(z.string()),
  /** Why figures are missing; empty: none are. */
  refusals: z.array(z.string()),
});

/** A table with its notes. */
export type Section = z.infer<typeof section>;

/** The result of a study, as the JSON has it. */
export const studyResult = z.strictObject({
  section,
  /** All measurements. */
  figures: z.unknown(),
  /** For the chart: CPU per request as a multiple of the reference's, by proxy. */
  ratios: z.record(z.string(), z.number()).optional(),
});
export type StudyResult = z.infer<typeof studyResult>;

/** The summary of some measurements. */
export interface Summary {
  readonly median: number;
  /** The quartiles: half of the measurements lie between them. */
  readonly low: number;
  readonly high: number;
  /** The number of measurements. */
  readonly count: number;
}

/** Summarises measurements; returns undefined without any. */
export function summarise(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const [low, median, high] = [quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)];
  return { median, low, high, count: sorted.length };
}

/** Returns a quantile of ascending values, with linear interpolation (type 7 of Hyndman and Fan). */
export function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** Returns the ratios of measurements of the same round, while there are both. */
export function pairedRatios(values: readonly number[], base: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const other = base[round];
    return other === undefined ? [] : [value / other];
  });
}

/** Formats a section for a terminal. */
export function sectionText({ title, headings, rows, notes, refusals }: Section): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map(row => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) =>
        column === 0 ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width),
      )
      .join('  ')
      .trimEnd();
  const table =
    rows.length === 0 ? [] : [headings, widths.map(width => '-'.repeat(width)), ...rows].map(line);
  return [`\n${title}`, ...table, ...refusals, ...notes].join('\n');
}

/** Formats a section for the documentation. */
export function sectionMarkdown({ title, headings, rows, notes, refusals }: Section): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  const table = rows.length === 0 ? [] : [[headings, rule, ...rows].map(line).join('\n')];
  return [`### ${title}`, ...table, ...refusals, ...notes].join('\n\n');
}

/** Replaces the figures between two lines of a document. Throws an Error if it lacks them. */
export function replaceFigures(text: string, begin: string, end: string, figures: string): string {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the document has no place for figures: ${begin}`);
  return `${text.slice(0, from)}${begin}\n${figures}\n${text.slice(to)}`;
}

/** Formats ratios as `1.32 (1.29–1.36)`: the median and the quartiles. */
export function formatRatio(ratio: Summary | undefined): string {
  return formatSpread(ratio, value => value.toFixed(2));
}

/** Formats the median and, in brackets, the quartiles. */
export function formatSpread(summary: Summary | undefined, format: (value: number) => string): string {
  if (summary === undefined) return '–';
  return `${format(summary.median)} (${format(summary.low)}–${format(summary.high)})`;
}

/** Formats the quartiles. */
export function formatQuartiles(summary: Summary | undefined, format: (value: number) => string): string {
  return summary === undefined ? '–' : `${format(summary.low)} – ${format(summary.high)}`;
}

/** Formats the median. */
export function formatMedian(summary: Summary | undefined, format: (value: number) => string): string {
  return summary === undefined ? '–' : format(summary.median);
}

/** Formats a time in µs as `84.0 ns`, `840 µs` or `1.24 ms`. */
export function formatTime(microseconds: number): string {
  if (microseconds < 1) return `${(microseconds * 1000).toFixed(1)} ns`;
  if (microseconds < 1000) return `${microseconds.toFixed(microseconds < 100 ? 1 : 0)} µs`;
  return `${(microseconds / 1000).toFixed(2)} ms`;
}

/** Formats bytes as `12.3 MB`. */
export function formatBytes(bytes: number): string {
  const kilobytes = bytes / 1024;
  return Math.abs(kilobytes) < 1024 ? `${kilobytes.toFixed(1)} KB` : `${(kilobytes / 1024).toFixed(1)} MB`;
}

/** Formats a number as `12,345`. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en');
}
