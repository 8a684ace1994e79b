// Section: one part of the report, for a terminal or as Markdown.
import type { Summary } from './statistics.ts';

/** A table with its notes. */
export interface Section {
  /** Its name for `--scenario`. */
  readonly name: string;
  readonly title: string;
  readonly headings: readonly string[];
  /** The first column is text, the others are figures. */
  readonly rows: readonly (readonly string[])[];
  readonly notes: readonly string[];
  /** Why figures are missing; empty: none are. */
  readonly refusals: readonly string[];
}

/** Formats a section for a terminal. */
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

/** Formats a section for the documentation. */
export function sectionMarkdown({ title, headings, rows, notes, refusals }: Section): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = headings.map((_, column) => (column === 0 ? '---' : '---:'));
  const table = rows.length === 0 ? [] : [[headings, rule, ...rows].map(line).join('\n')];
  return [`### ${title}`, ...table, ...refusals, ...notes].join('\n\n');
}

/** Formats ratios as `1.32 (1.29–1.36)`: the median and the quartiles. */
export function formatRatio(ratio: Summary | undefined): string {
  if (ratio === undefined) return '–';
  return `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
}

/** Formats the median of measurements with `format`. */
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
  if (Math.abs(bytes) < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** Formats a number as `12,345`. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en');
}
