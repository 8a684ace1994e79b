// Totals: the counts of all workers, added up by the manager. They survive reloads and the death of workers.

import { LatencyHistogram } from '../../core/bounded/latency-histogram.ts';
import { keepNewest } from '../../core/bounded/newest.ts';
import type { RouteHits } from '../../core/plugin/traffic.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { Counts } from './request-counters.ts';

/** Requests or attempts by how they ended. */
export interface Outcomes {
  success: number;
  failed: number;
}

/** The totals of one server. */
export class ServerTotals {
  success = 0;
  failed = 0;
  connectErrors = 0;
  readonly latency = new LatencyHistogram();
  /** Requests in flight, by worker. */
  readonly inFlightOf = new Map<number, number>();

  get inFlight(): number {
    let sum = 0;
    for (const count of this.inFlightOf.values()) sum += count;
    return sum;
  }
}

/** The most routes kept: the most recently used ones. */
const mostRoutes = 100_000;

const noHits: RouteHits = Object.freeze({ success: 0, failed: 0, lastAt: null });

const keyOf = (pool: string, id: string): string => `${pool} ${id}`;

/** The sums over all workers since the start of the manager. */
export class Totals {
  readonly client: Outcomes = { success: 0, failed: 0 };
  /** Of all servers, including those that have left. */
  readonly server: Outcomes = { success: 0, failed: 0 };
  private readonly servers = new Map<string, ServerTotals>();
  /** By name, the most recently used last. */
  private readonly routes = new Map<string, RouteHits>();

  /**
   * Adds a worker's report at `now`, in ms since the epoch. `known` returns whether a server is still in its pool; others count in
   * the sums only.
   */
  add(
    worker: number,
    counts: Counts,
    { known, now }: { known(pool: string, id: string): boolean; readonly now: number },
  ): void {
    for (const { route, success, failed } of counts.routes ?? []) this.addHits(route, success, failed, now);
    this.client.success += counts.client.success;
    this.client.failed += counts.client.failed;
    for (const { pool, id, success, failed, connectErrors, inFlight, latency } of counts.servers) {
      this.server.success += success;
      this.server.failed += failed;
      if (!known(pool, id)) continue;
      const totals = this.of(pool, id);
      totals.success += success;
      totals.failed += failed;
      totals.connectErrors += connectErrors;
      totals.latency.add(latency);
      if (inFlight > 0) totals.inFlightOf.set(worker, inFlight);
      else totals.inFlightOf.delete(worker);
    }
  }

  /** Returns the totals of a server; zeros if no worker had a request for it. */
  of(pool: string, id: string): ServerTotals {
    const key = keyOf(pool, id);
    const known = this.servers.get(key);
    if (known !== undefined) return known;
    const made = new ServerTotals();
    this.servers.set(key, made);
    return made;
  }

  /** Returns the hits of a route. */
  hits(route: string): RouteHits {
    return this.routes.get(route) ?? noHits;
  }

  /** All routes with hits. */
  get allHits(): (RouteHits & { readonly route: string })[] {
    return Array.from(this.routes, ([route, hits]) => ({ route, ...hits }));
  }

  private addHits(route: string, success: number, failed: number, now: number): void {
    const before = this.hits(route);
    this.routes.delete(route);
    this.routes.set(route, {
      success: before.success + success,
      failed: before.failed + failed,
      lastAt: now,
    });
    keepNewest(this.routes, mostRoutes);
  }

  /** Returns the requests that a server is handling now. */
  inFlight(pool: string, id: string): number {
    return this.servers.get(keyOf(pool, id))?.inFlight ?? 0;
  }

  /** Forgets a server that has left its pool, except in the sums. */
  forget(upstream: Upstream): void {
    this.servers.delete(keyOf(upstream.pool, upstream.id));
  }

  /** Drops the requests in flight of a worker that has ended. */
  workerExited(worker: number): void {
    for (const totals of this.servers.values()) totals.inFlightOf.delete(worker);
  }
}
