// Table: a suite's figures, in medians beside the goals, and its problems.
import { formatTable } from '../../bin/table.ts';
import type { Entry } from './figures.ts';
import { type GoalName, goalNames, goalOf, tolerance } from './goals.ts';

/** Figures that were taken above this load are marked. */
const busy = 2;

/** The figures of one goal for one kind of cluster. */
export interface Measured {
  /** Medians, ms, and the range. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
  /** Requests that were broken or answered with an error, in all runs. */
  readonly broken: number;
  /** The longest time with two holders in a play that had this figure, ms. */
  readonly twoHolders: number;
  /** The median load, and how many figures were taken above {@link busy}. */
  readonly load: number;
  readonly marked: number;
}

/** One line of the table. */
export interface Row {
  readonly goal: GoalName;
  readonly label: string;
  readonly limit: number | undefined;
  readonly weldr: Measured | undefined;
  readonly keepalived: Measured | undefined;
}

/** The middle value; the mean of two. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : Math.round(((sorted[middle - 1] ?? upper) + upper) / 2);
}

/** The lines with figures. */
export function rowsOf(entries: readonly Entry[]): Row[] {
  return goalNames.flatMap(goal => {
    const { label, limit } = goalOf(goal);
    const weldr = measuredOf(entries, 'weldr', goal);
    const keepalived = measuredOf(entries, 'keepalived', goal);
    return weldr === undefined && keepalived === undefined ? [] : [{ goal, label, limit, weldr, keepalived }];
  });
}

function measuredOf(entries: readonly Entry[], who: Entry['who'], goal: GoalName): Measured | undefined {
  const plays = entries.filter(
    entry => entry.who === who && entry.figures.some(figure => figure.goal === goal),
  );
  const figures = plays.flatMap(play => play.figures.filter(figure => figure.goal === goal));
  if (figures.length === 0) return undefined;
  const gaps = figures.map(({ longestGap }) => longestGap);
  const loads = figures.map(({ load }) => load);
  return {
    median: medianOf(gaps),
    least: Math.min(...gaps),
    most: Math.max(...gaps),
    count: figures.length,
    broken: figures.reduce((sum, { broken, failed }) => sum + broken + failed, 0),
    twoHolders: Math.max(0, ...plays.flatMap(({ overlaps }) => overlaps.map(({ ms }) => ms))),
    load: medianOf(loads.map(load => Math.round(load * 10))) / 10,
    marked: loads.filter(load => load > busy).length,
  };
}

/** Descriptions of the problems. */
export function problemsOf(entries: readonly Entry[]): string[] {
  const problems: string[] = [];
  for (const { goal, label, limit, weldr } of rowsOf(entries)) {
    if (weldr === undefined || limit === undefined) continue;
    if (weldr.median > limit * tolerance) problems.push(`${label}: ${weldr.median} ms, the goal is ${limit}`);
    const { unbroken } = goalOf(goal);
    if (unbroken && weldr.broken > 0) problems.push(`${label}: ${weldr.broken} requests were broken`);
  }
  for (const { who, scenario, run, overlaps, lost, checks, error } of entries) {
    const name = `${scenario} (run ${run})`;
    if (error !== undefined) problems.push(`${name}: could not be played: ${error}`);
    // What it did is compared, not judged.
    if (who === 'keepalived') continue;
    problems.push(
      ...overlaps.map(({ machines, ms }) => `${name}: two holders: ${machines.join(' and ')} for ${ms} ms`),
      ...lost.map(text => `${name}: an acknowledged change is lost: ${text}`),
      ...checks
        .filter(({ holds }) => !holds)
        .map(({ claim, seen }) => `${name}: not so: ${claim}${seen && `; ${seen}`}`),
    );
  }
  return problems;
}

function cell(measured: Measured | undefined, unbroken: boolean): string[] {
  if (measured === undefined) return ['–', ''];
  const { median, least, most, count, broken, twoHolders, load, marked } = measured;
  const range = count > 1 ? ` (${least} – ${most}, ${count})` : '';
  const notes = [
    ...(unbroken ? [`${broken} broken`] : []),
    ...(twoHolders > 0 ? [`two holders for ${twoHolders} ms`] : []),
  ];
  return [
    `${median}${range}${notes.length > 0 ? `, ${notes.join(', ')}` : ''}`,
    `${load}${marked > 0 ? ` (${marked} busy)` : ''}`,
  ];
}

function verdict({ limit, weldr }: Row): string {
  if (limit === undefined || weldr === undefined) return '';
  return weldr.median <= limit ? '✔' : weldr.median <= limit * tolerance ? '~' : '✘';
}

/** The table, and the results of the checks, as text. */
export function describe(entries: readonly Entry[]): string {
  const heads = ['LONGEST GAP A CLIENT SEES, MS', 'GOAL', '', 'WELDR', 'LOAD', 'KEEPALIVED', 'LOAD'];
  const lines = rowsOf(entries).map(row => [
    row.label,
    row.limit === undefined ? '–' : String(row.limit),
    verdict(row),
    ...cell(row.weldr, goalOf(row.goal).unbroken === true),
    ...cell(row.keepalived, goalOf(row.goal).unbroken === true),
  ]);
  const own = entries.filter(({ who }) => who === 'weldr');
  const changes = own.reduce((sum, entry) => sum + entry.changes, 0);
  const lost = own.reduce((sum, entry) => sum + entry.lost.length, 0);
  const twice = own.reduce((sum, entry) => sum + entry.overlaps.length, 0);
  return [
    ...(lines.length > 0 ? [formatTable(heads, lines)] : []),
    'Median (least – most, number). ✔ within the goal, ~ within 1.4 of it, ✘ beyond; busy: at a load above 2.',
    `Times with two holders: ${twice}. Changes of the pool: ${changes} acknowledged, ${lost} of them lost.`,
  ].join('\n');
}

function figureOf(measured: Measured | undefined, unbroken: boolean): string {
  if (measured === undefined) return '–';
  const { median, least, most, count, broken, twoHolders } = measured;
  const inWords = (value: number) => value.toLocaleString('en');
  return [
    `${inWords(median)}${count > 1 ? ` (${inWords(least)} – ${inWords(most)})` : ''}`,
    ...(unbroken ? [broken === 0 ? 'nothing broken' : `${broken} broken`] : []),
    ...(twoHolders > 0 ? [`two holders for ${inWords(twoHolders)} ms`] : []),
  ].join(', ');
}

/** The table as Markdown, for docs/cluster-guarantees.md. */
export function markdownOf(entries: readonly Entry[]): string {
  const lines = rowsOf(entries).map(({ goal, label, limit, weldr, keepalived }) => {
    const unbroken = goalOf(goal).unbroken === true;
    const cells = [label, limit ?? '–', figureOf(weldr, unbroken), figureOf(keepalived, false)];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| what happens | goal, ms | Weldr, ms | keepalived, ms |',
    '| --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
