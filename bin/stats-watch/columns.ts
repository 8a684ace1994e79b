// Columns: the columns of the servers' table.
import type { ServerLook } from './look.ts';

/** How something stands out on a terminal with colours. */
export type Style = 'title' | 'heading' | 'good' | 'warning' | 'bad' | 'faint';

/** One column of the servers' table. */
export interface Column {
  readonly heading: string;
  /** The columns of the least importance are left out first when there is no room for all. */
  readonly importance: number;
  /** Numbers are aligned to the right. */
  readonly isNumber?: true;
  /** Keeps the column from jumping as numbers grow. */
  readonly minWidth?: number;
  text(server: ServerLook): string;
  style?(server: ServerLook): Style | undefined;
}

/** The first column. */
export const idColumn: Column = { heading: 'SERVER', importance: 100, text: ({ id }) => id };

/** The last column, in the rest of a line. Empty for an active server, whose reason is no news. */
export const reasonColumn: Column = {
  heading: 'REASON',
  importance: 0,
  text: ({ state, reason }) => (state === 'active' ? '' : reason),
};

/** Returns the columns between these two, from left to right; the pool's only if there is more than one pool. */
export function columnsBetween(servers: readonly ServerLook[]): readonly Column[] {
  const isOnePool = servers.every(({ pool }) => pool === servers[0]?.pool);
  return isOnePool ? columns : [poolColumn, ...columns];
}

const stateStyles = new Map<string, Style>([
  ['active', 'good'],
  ['down', 'bad'],
]);

const poolColumn: Column = { heading: 'POOL', importance: 60, text: ({ pool }) => pool };

const columns: readonly Column[] = [
  {
    heading: 'STATE',
    importance: 80,
    minWidth: 6,
    text: ({ state = '-' }) => state,
    style: ({ state }) => (state === undefined ? undefined : (stateStyles.get(state) ?? 'warning')),
  },
  { heading: 'REQ/S', importance: 90, isNumber: true, minWidth: 6, text: ({ rate }) => figure(rate) },
  {
    heading: 'FAIL/S',
    importance: 70,
    isNumber: true,
    text: ({ failedRate }) => figure(failedRate),
    style: ({ failedRate }) => ((failedRate ?? 0) > 0 ? 'bad' : undefined),
  },
  { heading: 'IN FLIGHT', importance: 50, isNumber: true, text: ({ inFlight }) => figure(inFlight) },
  { heading: 'MEAN MS', importance: 40, isNumber: true, text: ({ meanMs }) => figure(meanMs) },
  { heading: 'P99 MS', importance: 30, isNumber: true, text: ({ p99Ms }) => figure(p99Ms) },
  {
    heading: 'SUCCESS',
    importance: 10,
    isNumber: true,
    minWidth: 7,
    text: ({ success }) => String(success),
  },
  { heading: 'FAILED', importance: 20, isNumber: true, text: ({ failed }) => String(failed) },
];

/** Formats a number for a narrow column: 0.25 is `0.3`, 1,234,567 is `1235k`, undefined is `-`. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '-';
  if (Number.isInteger(value) && value < 100_000) return String(value);
  if (value < 9.95) return value < 0.05 ? '<0.1' : value.toFixed(1);
  if (value < 99_999.5) return String(Math.round(value));
  return value < 99_999_500 ? `${Math.round(value / 1000)}k` : `${Math.round(value / 1_000_000)}M`;
}
