// TrafficWindow: requests a second, errors and latency of the last 15 minutes, in steps; for pools and servers only the
// present.
import { LatencyHistogram } from '../../core/bounded/latency-histogram.ts';
import type { Finished, TrafficCounts } from '../../core/plugin/traffic.ts';

/** One point of the history, ms. */
export const step = 2_000;
const maxPoints = (15 * 60_000) / step;
/** For pools and servers the present is this many steps. */
const stepsNow = 5;

/** A server that fails this share of at least this many attempts is reported. */
const failingFrom = 0.1;
const enoughAttempts = 20;

/** Figures of requests or attempts. Latencies are ms; null: nothing was measured. */
export interface TrafficFigures {
  /** Per second. */
  readonly rate: number;
  /** 0 to 1. */
  readonly errorShare: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

/** A list for each value; `at` is the end of each step, ms since the epoch. */
export type TrafficHistory = { readonly step: number; readonly at: readonly number[] } & {
  readonly [Figure in keyof TrafficFigures]: readonly TrafficFigures[Figure][];
};

class Sum {
  success = 0;
  failed = 0;
  readonly latency = new LatencyHistogram();

  add({ success, failed, latency }: Finished): void {
    this.success += success;
    this.failed += failed;
    this.latency.add(latency);
  }
}

/** The counts of one step. */
class Step {
  readonly client = new Sum();
  readonly pools = new Map<string, Sum>();
  /** As reported, by pool and server: most servers are reported once or twice, and their figures may never be requested. */
  readonly servers = new Map<string, Map<string, Finished[]>>();
  /** Its length, ms. */
  length = 0;

  add({ client, servers }: TrafficCounts): void {
    this.client.add(client);
    for (const reported of servers) {
      const { pool, id } = reported;
      const sum = this.pools.get(pool) ?? new Sum();
      sum.add(reported);
      this.pools.set(pool, sum);
      const known = this.servers.get(pool) ?? new Map<string, Finished[]>();
      this.servers.set(pool, known);
      const list = known.get(id);
      if (list === undefined) known.set(id, [reported]);
      else list.push(reported);
    }
  }
}

/** The recent counts. */
export class TrafficWindow {
  private current = new Step();
  /** The last steps, newest last. */
  private readonly recent: Step[] = [];
  private readonly points: (TrafficFigures & { readonly at: number })[] = [];
  private begunAt: number | undefined;

  record(counts: TrafficCounts): void {
    this.current.add(counts);
  }

  /** Ends a step; `now` in ms since the epoch, `monotonic` in ms. */
  tick(now: number, monotonic: number): void {
    const length = this.begunAt === undefined ? step : Math.max(1, monotonic - this.begunAt);
    this.begunAt = monotonic;
    const ended = this.current;
    ended.length = length;
    this.current = new Step();
    this.recent.push(ended);
    if (this.recent.length > stepsNow) this.recent.shift();
    this.points.push({ at: now, ...figuresOf(ended.client, length) });
    if (this.points.length > maxPoints) this.points.shift();
  }

  /** Requests of clients in the last step; none before the end of the first. */
  get now(): TrafficFigures {
    const last = this.points.at(-1);
    if (last === undefined) return noTraffic;
    const { at: _at, ...figures } = last;
    return figures;
  }

  get history(): TrafficHistory {
    const { points } = this;
    return {
      step,
      at: points.map(({ at }) => at),
      rate: points.map(({ rate }) => rate),
      errorShare: points.map(({ errorShare }) => errorShare),
      p50: points.map(({ p50 }) => p50),
      p95: points.map(({ p95 }) => p95),
      p99: points.map(({ p99 }) => p99),
    };
  }

  /** Attempts on the servers of a pool. */
  ofPool(pool: string): TrafficFigures {
    const sum = new Sum();
    for (const { pools } of this.recent) {
      const one = pools.get(pool);
      if (one === undefined) continue;
      sum.success += one.success;
      sum.failed += one.failed;
      sum.latency.addAll(one.latency);
    }
    return figuresOf(sum, this.length);
  }

  /** Attempts on one server. */
  ofServer(pool: string, id: string): TrafficFigures {
    const reported = this.recent.flatMap(({ servers }) => servers.get(pool)?.get(id) ?? []);
    if (reported.length === 0) return noTraffic;
    const sum = new Sum();
    for (const one of reported) sum.add(one);
    return figuresOf(sum, this.length);
  }

  /** Returns the servers of a pool that failed a tenth of their attempts or more, if there were enough attempts. */
  failingIn(pool: string): Map<string, number> {
    const counts = new Map<string, { all: number; failed: number }>();
    for (const { servers } of this.recent) {
      for (const [id, reported] of servers.get(pool) ?? []) {
        const count = counts.get(id) ?? { all: 0, failed: 0 };
        counts.set(id, count);
        for (const { success, failed } of reported) {
          count.all += success + failed;
          count.failed += failed;
        }
      }
    }
    const failing = new Map<string, number>();
    for (const [id, { all, failed }] of counts) {
      if (all >= enoughAttempts && failed / all >= failingFrom) failing.set(id, failed / all);
    }
    return failing;
  }

  private get length(): number {
    return this.recent.reduce((sum, { length }) => sum + length, 0);
  }
}

const noTraffic: TrafficFigures = Object.freeze({ rate: 0, errorShare: 0, p50: null, p95: null, p99: null });

function figuresOf({ success, failed, latency }: Sum, length: number): TrafficFigures {
  const all = success + failed;
  if (all === 0 && latency.count === 0) return noTraffic;
  return {
    rate: rounded((all * 1_000) / length, 2),
    errorShare: all === 0 ? 0 : rounded(failed / all, 4),
    p50: latency.quantile(0.5),
    p95: latency.quantile(0.95),
    p99: latency.quantile(0.99),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
