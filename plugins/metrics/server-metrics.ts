// ServerMetrics: counts the attempts of a worker, by server and pool.

import type { ErrorCode } from '../../core/errors.ts';
import type { Counter, Gauge, Histogram, Labelled, Metrics } from '../../core/plugin/metrics.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { Clock } from '../../core/time/clock.ts';
import { reasonOf, statusLabel } from './label-values.ts';

/** The most servers that are counted, with two outcomes each. */
const maxServers = 20_000;
const unusedFor = 600_000;

type ServerLabels = readonly ['pool', 'server'];
interface Families {
  readonly attempts: Labelled<Counter, readonly ['pool', 'server', 'outcome']>;
  readonly failures: Labelled<Counter, readonly ['pool', 'server', 'reason']>;
  readonly inFlight: Labelled<Gauge, ServerLabels>;
  readonly firstByte: Labelled<Histogram, readonly ['pool']>;
  readonly retries: Labelled<Counter, readonly ['pool', 'reason']>;
}

/** The children of one server. */
class Cell {
  upstream: Upstream;
  readonly pool: string;
  readonly id: string;
  readonly success: Counter;
  readonly failed: Counter;
  readonly failures = new Map<ErrorCode | number, Counter>();
  readonly inFlight: Gauge;
  readonly firstByte: Histogram;
  shown = 0;
  usedAt = 0;

  constructor(upstream: Upstream, of: Families) {
    const { pool, id } = upstream;
    this.upstream = upstream;
    this.pool = pool;
    this.id = id;
    this.success = of.attempts.labels(pool, id, 'success');
    this.failed = of.attempts.labels(pool, id, 'failed');
    this.inFlight = of.inFlight.labels(pool, id);
    this.firstByte = of.firstByte.labels(pool);
  }
}

/** Counts attempts. */
export class ServerMetrics {
  private readonly clock: Clock;
  private readonly families: Families;
  private readonly cells = new Map<Upstream, Cell>();
  /** The same by server id: one for each pool that has the server. */
  private readonly byId = new Map<string, Cell[]>();
  private last: Cell | undefined = undefined;
  /** The reasons of retries, by pool; pools without retries included. */
  private readonly retriesIn = new Map<string, Set<string>>();

  /** `buckets`: in seconds. */
  constructor(metrics: Metrics, clock: Clock, buckets: readonly number[]) {
    this.clock = clock;
    const server = ['pool', 'server'] as const;
    this.families = {
      attempts: metrics.counter({
        name: 'weldr_server_attempts_total',
        help: 'Attempts on a server by outcome. An attempt that a client or Weldr itself aborted counts as neither.',
        labels: ['pool', 'server', 'outcome'],
        maxChildren: 2 * maxServers,
      }),
      failures: metrics.counter({
        name: 'weldr_server_failures_total',
        help: 'Failed attempts on a server, by reason.',
        labels: ['pool', 'server', 'reason'],
        maxChildren: maxServers,
      }),
      inFlight: metrics.gauge({
        name: 'weldr_server_in_flight',
        help: 'Requests that a server is handling.',
        labels: server,
        maxChildren: maxServers,
      }),
      firstByte: metrics.histogram({
        name: 'weldr_upstream_first_byte_seconds',
        help: 'Time from the start of an attempt to the head of its response, including the wait for a connection.',
        labels: ['pool'],
        buckets,
      }),
      retries: metrics.counter({
        name: 'weldr_retries_total',
        help: 'Attempts that were followed by another one, by reason.',
        labels: ['pool', 'reason'],
        maxChildren: 10_000,
      }),
    };
  }

  attemptFinished(ctx: ProxyContext): void {
    const { attempt, error } = ctx;
    if (attempt === undefined || ctx.rehearsal) return;
    const { upstream, status, respondedAt } = attempt;
    const cell = this.last?.upstream === upstream ? this.last : this.cellOf(upstream);
    cell.usedAt = attempt.finishedAt;
    if (status > 0) cell.firstByte.observe(Math.max(0, respondedAt - attempt.startedAt) / 1_000);
    if (error !== undefined) {
      const { blame, code } = error;
      const isTheServers = blame === 'upstream' || code === 'CLIENT_CLOSED' || code === 'DEADLINE_EXCEEDED';
      if (isTheServers) this.failed(cell, code);
    } else if (status >= 500) this.failed(cell, status);
    else if (status > 0) cell.success.inc();
  }

  /** Counts the retries of a request that had more than one attempt. */
  retried({ attempts }: ProxyContext): void {
    for (const { upstream, error, status } of attempts.slice(0, -1)) {
      const { pool } = upstream;
      const reason = failureOf(error?.code ?? status);
      this.families.retries.labels(pool, reason).inc();
      this.reasonsIn(pool).add(reason);
    }
  }

  /** Reads the requests in flight, which is cheaper than counting each of them. */
  look(): void {
    for (const cell of this.cells.values()) {
      const { inFlight } = cell.upstream;
      if (inFlight === cell.shown) continue;
      cell.shown = inFlight;
      cell.inFlight.set(inFlight);
    }
  }

  /** Drops servers without an attempt in the last minutes; their sums stay in the manager. */
  tidy(): void {
    const before = this.clock.monotonic() - unusedFor;
    for (const [upstream, cell] of this.cells) {
      if (cell.usedAt >= before || upstream.inFlight > 0) continue;
      this.cells.delete(upstream);
      this.remove(cell);
    }
    this.last = undefined;
    const asked = new Set(Array.from(this.cells.values(), ({ pool }) => pool));
    for (const [pool, reasons] of this.retriesIn) {
      if (asked.has(pool)) continue;
      this.retriesIn.delete(pool);
      this.families.firstByte.remove(pool);
      for (const reason of reasons) this.families.retries.remove(pool, reason);
    }
  }

  private reasonsIn(pool: string): Set<string> {
    let reasons = this.retriesIn.get(pool);
    if (reasons === undefined) {
      reasons = new Set();
      this.retriesIn.set(pool, reasons);
    }
    return reasons;
  }

  private cellOf(upstream: Upstream): Cell {
    let cell = this.cells.get(upstream);
    if (cell === undefined) {
      cell = this.takeOver(upstream) ?? this.newCell(upstream);
      this.reasonsIn(upstream.pool);
      this.cells.set(upstream, cell);
    }
    this.last = cell;
    return cell;
  }

  /** Returns the children that a server had before it was removed and added again. */
  private takeOver(upstream: Upstream): Cell | undefined {
    const cell = this.byId.get(upstream.id)?.find(({ pool }) => pool === upstream.pool);
    if (cell === undefined) return undefined;
    this.cells.delete(cell.upstream);
    cell.upstream = upstream;
    return cell;
  }

  private newCell(upstream: Upstream): Cell {
    const cell = new Cell(upstream, this.families);
    const others = this.byId.get(upstream.id);
    if (others === undefined) this.byId.set(upstream.id, [cell]);
    else others.push(cell);
    return cell;
  }

  private failed(cell: Cell, why: ErrorCode | number): void {
    cell.failed.inc();
    let counter = cell.failures.get(why);
    if (counter === undefined) {
      counter = this.families.failures.labels(cell.pool, cell.id, failureOf(why));
      cell.failures.set(why, counter);
    }
    counter.inc();
  }

  private remove(cell: Cell): void {
    const { pool, id, failures } = cell;
    const others = this.byId.get(id)?.filter(other => other !== cell) ?? [];
    if (others.length === 0) this.byId.delete(id);
    else this.byId.set(id, others);
    this.families.attempts.remove(pool, id, 'success');
    this.families.attempts.remove(pool, id, 'failed');
    this.families.inFlight.remove(pool, id);
    for (const why of failures.keys()) this.families.failures.remove(pool, id, failureOf(why));
  }
}

/** Returns a reason such as `connect_failed` or `status_503`. */
function failureOf(why: ErrorCode | number): string {
  return typeof why === 'number' ? `status_${statusLabel(why)}` : reasonOf(why);
}
