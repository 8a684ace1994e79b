// RequestMetrics: counts the requests of a worker's clients. A request costs a look-up in a small map for its status,
// and additions; nothing is allocated for it.

import type { ErrorCode } from '../../core/errors.ts';
import type { Counter, Histogram, Labelled, Metrics } from '../../core/plugin/metrics.ts';
import type { Pool } from '../../core/pool/pool.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { RouteFacts } from '../../core/request/route-facts.ts';
import type { Clock } from '../../core/time/clock.ts';
import { reasonOf, statusLabel } from './label-values.ts';

/** Options of {@link RequestMetrics}. */
export interface RequestMetricsOptions {
  /** In seconds. */
  readonly buckets: readonly number[];
  readonly exemplars: boolean;
}

/** Children that were unused for this long are dropped, ms. */
const unusedFor = 600_000;

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const protocols = ['http/1.0', 'http/1.1', 'http/2'];
const otherMethod = methods.length;

/** The children of one pair of pool and route. */
class Cell {
  readonly pool: string;
  readonly route: string;
  /** By {@link keyOf}. */
  readonly requests = new Map<number, Counter>();
  readonly failures = new Map<ErrorCode | 'aborted', Counter>();
  readonly duration: Histogram;
  readonly received: Counter;
  readonly sent: Counter;
  usedAt = 0;

  constructor(pool: string, route: string, of: Families) {
    this.pool = pool;
    this.route = route;
    this.duration = of.duration.labels(pool, route);
    this.received = of.received.labels(pool, route);
    this.sent = of.sent.labels(pool, route);
  }
}

type PairLabels = readonly ['pool', 'route'];
interface Families {
  readonly requests: Labelled<Counter, readonly ['pool', 'route', 'method', 'status', 'protocol']>;
  readonly failures: Labelled<Counter, readonly ['pool', 'route', 'reason']>;
  readonly duration: Labelled<Histogram, PairLabels>;
  readonly received: Labelled<Counter, PairLabels>;
  readonly sent: Labelled<Counter, PairLabels>;
}

/** Counts requests. */
export class RequestMetrics {
  private readonly clock: Clock;
  private readonly exemplars: boolean;
  private readonly families: Families;
  /** By route, then pool: keyed by object, so that no name is built per request. */
  private readonly cells = new Map<RouteFacts | undefined, Map<Pool, Cell>>();
  /** By names: a route or a pool may be replaced by one of the same name. */
  private readonly named = new Map<string, Map<string, Cell>>();
  private lastRoute: RouteFacts | undefined = undefined;
  private lastPool: Pool | undefined = undefined;
  private last: Cell | undefined = undefined;

  constructor(metrics: Metrics, clock: Clock, { buckets, exemplars }: RequestMetricsOptions) {
    this.clock = clock;
    this.exemplars = exemplars;
    const pair = ['pool', 'route'] as const;
    this.families = {
      requests: metrics.counter({
        name: 'weldr_requests_total',
        help: 'Finished requests of clients, by the status of the response.',
        labels: ['pool', 'route', 'method', 'status', 'protocol'],
        maxChildren: 20_000,
      }),
      failures: metrics.counter({
        name: 'weldr_request_failures_total',
        help: 'Requests that failed, by reason.',
        labels: ['pool', 'route', 'reason'],
        maxChildren: 10_000,
      }),
      duration: metrics.histogram({
        name: 'weldr_request_duration_seconds',
        help: 'Time from the head of a request to the last byte of its response.',
        labels: pair,
        buckets,
        maxChildren: 2_000,
      }),
      received: metrics.counter({
        name: 'weldr_request_body_bytes_total',
        help: 'Bytes of bodies that clients sent.',
        labels: pair,
        maxChildren: 2_000,
      }),
      sent: metrics.counter({
        name: 'weldr_response_body_bytes_total',
        help: 'Bytes of bodies sent to clients.',
        labels: pair,
        maxChildren: 2_000,
      }),
    };
  }

  finished(ctx: ProxyContext): void {
    const { pool, route, status } = ctx;
    const cell = pool === this.lastPool && route === this.lastRoute ? this.last : undefined;
    this.record(cell ?? this.cellOf(pool, route), ctx, status);
  }

  private record(cell: Cell, ctx: ProxyContext, status: number): void {
    const { method, version } = ctx.request;
    const key = keyOf(method, version, status);
    const counter = cell.requests.get(key) ?? this.addRequests(cell, key);
    counter.inc();
    cell.usedAt = ctx.finishedAt;
    const seconds = (ctx.finishedAt - ctx.startedAt) / 1_000;
    cell.duration.observe(seconds > 0 ? seconds : 0, this.exemplars ? ctx : undefined);
    const { bytesIn, bytesOut, error } = ctx;
    if (bytesIn > 0) cell.received.inc(bytesIn);
    if (bytesOut > 0) cell.sent.inc(bytesOut);
    if (error !== undefined || ctx.outcome === 'aborted') this.failed(cell, error?.code ?? 'aborted');
  }

  /** Drops children without a request in the last minutes; their sums stay in the manager. */
  tidy(): void {
    const before = this.clock.monotonic() - unusedFor;
    let dropped = false;
    for (const [pool, byRoute] of this.named) {
      for (const [route, cell] of byRoute) {
        if (cell.usedAt >= before) continue;
        dropped = true;
        byRoute.delete(route);
        this.remove(cell);
      }
      if (byRoute.size === 0) this.named.delete(pool);
    }
    if (!dropped) return;
    this.cells.clear();
    this.last = undefined;
    this.lastPool = undefined;
  }

  private cellOf(pool: Pool, route: RouteFacts | undefined): Cell {
    let byPool = this.cells.get(route);
    if (byPool === undefined) {
      byPool = new Map();
      this.cells.set(route, byPool);
    }
    let cell = byPool.get(pool);
    if (cell === undefined) {
      cell = this.namedCell(pool.name, route?.name ?? '');
      byPool.set(pool, cell);
    }
    this.lastPool = pool;
    this.lastRoute = route;
    this.last = cell;
    return cell;
  }

  private namedCell(pool: string, route: string): Cell {
    let byRoute = this.named.get(pool);
    if (byRoute === undefined) {
      byRoute = new Map();
      this.named.set(pool, byRoute);
    }
    let cell = byRoute.get(route);
    if (cell === undefined) {
      cell = new Cell(pool, route, this.families);
      byRoute.set(route, cell);
    }
    return cell;
  }

  private addRequests(cell: Cell, key: number): Counter {
    const counter = this.families.requests.labels(...labelsOf(cell, key));
    cell.requests.set(key, counter);
    return counter;
  }

  private failed(cell: Cell, code: ErrorCode | 'aborted'): void {
    let counter = cell.failures.get(code);
    if (counter === undefined) {
      counter = this.families.failures.labels(cell.pool, cell.route, reasonOf(code));
      cell.failures.set(code, counter);
    }
    counter.inc();
  }

  private remove(cell: Cell): void {
    const { pool, route } = cell;
    for (const key of cell.requests.keys()) this.families.requests.remove(...labelsOf(cell, key));
    for (const code of cell.failures.keys()) this.families.failures.remove(pool, route, reasonOf(code));
    for (const family of [this.families.duration, this.families.received, this.families.sent]) {
      family.remove(pool, route);
    }
  }
}

/** Packs method, protocol and status into one small integer. */
function keyOf(method: string, version: string, status: number): number {
  const at = methods.indexOf(method);
  const protocol = version === '2.0' ? 2 : version === '1.0' ? 0 : 1;
  return (((at < 0 ? otherMethod : at) * protocols.length + protocol) << 10) | (status & 1023);
}

function labelsOf(
  { pool, route }: Cell,
  key: number,
): [pool: string, route: string, method: string, status: string, protocol: string] {
  const spoken = key >> 10;
  const method = methods[Math.floor(spoken / protocols.length)] ?? 'other';
  return [pool, route, method, statusLabel(key & 1023), protocols[spoken % protocols.length] ?? 'other'];
}
