// Section: one part of the report, the same for a terminal and for Markdown.
import type { Summary } from './statistics.ts';

/** A table with what is to be said about it. */
export interface Section {
  /** What `--scenario` calls it. */
  readonly name: string;
  readonly title: string;
  readonly headings: readonly string[];
  /** The first column is text, the others are figures. */
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  /** Why figures are missing; empty: none is. */
  readonly refusals: readonly string[];
}

/** For a terminal. */
export function sectionText({ title, headings, rows, notes, refusals }: Section): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map(row => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const table =
    rows.length === 0 ? [] : [headings, widths.map(width => '-'.repeat(width)), ...rows].map(line);
  return [`\n${title}`, ...table, ...refusals, ...notes].join('\n');
}

/** For the documentation. */
export function sectionMarkdown({ title, headings, rows, notes, refusals }: Section): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  const table = rows.length === 0 ? [] : [[headings, rule, ...rows].map(line).join('\n')];
  return [`### ${title}`, ...table, ...refusals, ...notes].join('\n\n');
}

/** `1.32 (1.29–1.36)`: the median of ratios and their quartiles. */
export function formatRatio(ratio: Summary | undefined): string {
  if (ratio === undefined) return '–';
  return `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
}

/** The median of measurements, as `format` shows it. */
export function formatMedian(summary: Summary | undefined, format: (value: number) => string): string {
  return summary === undefined ? '–' : format(summary.median);
}

/** `84.0 ns`, `840 µs`, `1.24 ms`: a time of so many µs. */
export function formatTime(microseconds: number): string {
  if (microseconds < 1) return `${(microseconds * 1000).toFixed(1)} ns`;
  if (microseconds < 1000) return `${microseconds.toFixed(microseconds < 100 ? 1 : 0)} µs`;
  return `${(microseconds / 1000).toFixed(2)} ms`;
}

/** `12.3 MB`. */
export function formatBytes(bytes: number): string {
  if (Math.abs(bytes) < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** `12,345`. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en');
}
