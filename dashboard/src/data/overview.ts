// The state of Weldr, from `GET /overview`.
import type { ServerState } from './server.ts';

export type Severity = 'info' | 'warning' | 'error';

export interface Traffic {
  readonly rate: number;
  readonly errorShare: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly inFlight: number;
}

export interface Problem {
  readonly severity: Severity;
  readonly text: string;
  readonly since?: number | null;
  readonly pool?: string;
  readonly servers?: readonly string[];
  /** `errors`: the servers are up but fail requests. */
  readonly about?: 'errors';
}

export interface PoolOverview {
  readonly name: string;
  readonly servers: number;
  readonly available: number;
  readonly states: Readonly<Record<ServerState, number>>;
  readonly traffic: Traffic | null;
}

/** A list for each value, of the same length; `at` in ms. */
export interface History {
  readonly step: number;
  readonly at: readonly number[];
  readonly rate: readonly (number | null)[];
  readonly errorShare: readonly (number | null)[];
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
}

export interface Overview {
  readonly at: number;
  readonly status: 'ok' | Severity;
  readonly version?: string;
  readonly startedAt?: number;
  readonly workers?: { readonly ready: number; readonly wanted: number };
  readonly cluster?: { readonly leading: boolean; readonly leader: string | null } | null;
  readonly problems: readonly Problem[];
  readonly traffic: Traffic | null;
  readonly pools: readonly PoolOverview[];
  readonly history?: History | null;
}

/** How far the charts reach back, ms. */
export const windowMs = 15 * 60_000;

export const noHistory: History = {
  step: 2000,
  at: [],
  rate: [],
  errorShare: [],
  p50: [],
  p95: [],
  p99: [],
};

/** Adds a point, and drops points that are too old. */
export function withPoint(history: History, at: number, traffic: Traffic): History {
  const last = history.at.at(-1);
  if (last !== undefined && at - last < history.step / 2) return history;
  const from = Math.max(
    0,
    history.at.findIndex(time => time > at - windowMs),
  );
  const next = <T>(list: readonly T[], value: T): T[] => [...list.slice(from), value];
  const { rate, errorShare, p50, p95, p99 } = traffic;
  return {
    step: history.step,
    at: next(history.at, at),
    rate: next(history.rate, rate),
    errorShare: next(history.errorShare, errorShare),
    p50: next(history.p50, p50),
    p95: next(history.p95, p95),
    p99: next(history.p99, p99),
  };
}
