// RequestCounters: the counts of one worker that it has not reported to the manager yet.

import { type LatencyCounts, LatencyHistogram } from '../../core/bounded/latency-histogram.ts';
import type { WeldrError } from '../../core/errors.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { Pools } from '../../core/pool/pools.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { RouteFacts } from '../../core/request/route-facts.ts';

/** A worker's counts for one server since its last report; `inFlight` is the current number. */
export interface ServerCounts {
  readonly pool: string;
  readonly id: string;
  readonly success: number;
  readonly failed: number;
  readonly connectErrors: number;
  readonly inFlight: number;
  readonly latency: LatencyCounts;
}

/** A worker's counts for one route since its last report. */
export interface RouteCounts {
  readonly route: string;
  readonly success: number;
  readonly failed: number;
}

/** A worker's counts since its last report. */
export interface Counts {
  /** Only routes that took a request; undefined: none did. */
  readonly routes?: readonly RouteCounts[] | undefined;
  readonly client: { readonly success: number; readonly failed: number; readonly latency: LatencyCounts };
  readonly servers: readonly ServerCounts[];
}

class UpstreamCounters {
  readonly upstream: Upstream;
  success = 0;
  failed = 0;
  connectErrors = 0;
  readonly latency = new LatencyHistogram();
  /** Whether there is something to report. */
  touched = false;

  constructor(upstream: Upstream) {
    this.upstream = upstream;
  }
}

/** Plain numbers for one route that took a request since the last report. */
class RouteCounters {
  success = 0;
  failed = 0;
}

/** Counts in plain numbers; nothing is allocated for a request. */
export class RequestCounters {
  private readonly pools: Pools;
  private success = 0;
  private failed = 0;
  private readonly latency = new LatencyHistogram();
  private readonly byUpstream = new Map<Upstream, UpstreamCounters>();
  private readonly touched: UpstreamCounters[] = [];
  /** By object, which saves a look-up by name: most requests take the same route as the one before. */
  private readonly byRoute = new Map<RouteFacts, RouteCounters>();
  private lastRoute: RouteFacts | undefined = undefined;
  private last: RouteCounters | undefined = undefined;

  constructor(pools: Pools) {
    this.pools = pools;
  }

  attemptBegins(ctx: ProxyContext): void {
    if (ctx.upstream !== undefined) this.touch(ctx.upstream);
  }

  attemptFinished(ctx: ProxyContext): void {
    const { attempt, error } = ctx;
    if (attempt === undefined) return;
    const { upstream, status: upstreamStatus } = attempt;
    const counters = this.touch(upstream);
    if (upstreamStatus > 0) counters.latency.record(attempt.respondedAt - attempt.startedAt);
    if (error !== undefined) {
      if (!countsAgainstServer(error)) return;
      counters.failed++;
      if (isConnectError(error)) counters.connectErrors++;
    } else if (upstreamStatus >= 500) {
      counters.failed++;
    } else if (upstreamStatus > 0) {
      counters.success++;
    }
  }

  requestFinished(ctx: ProxyContext): void {
    const { route } = ctx;
    const counters = route === this.lastRoute ? this.last : this.routeOf(route);
    if (ctx.outcome === 'complete' && ctx.status > 0 && ctx.status < 500) {
      this.success++;
      if (counters !== undefined) counters.success++;
    } else {
      this.failed++;
      if (counters !== undefined) counters.failed++;
    }
    // Only up to the response head: a tunnel or a download takes as long as its client wants.
    const { attempt } = ctx;
    const responded = attempt !== undefined && attempt.status > 0 ? attempt.respondedAt : ctx.finishedAt;
    this.latency.record(Math.max(0, responded - ctx.startedAt));
  }

  /** Returns the unreported counts, of at most `most` servers, and resets them; undefined: there are none. */
  take(most = Number.POSITIVE_INFINITY): Counts | undefined {
    const { success, failed } = this;
    const isIdle = this.touched.length === 0 && this.byRoute.size === 0 && success + failed === 0;
    if (isIdle) return undefined;
    const client = { success, failed, latency: this.latency.take() };
    this.success = 0;
    this.failed = 0;
    const servers = this.touched.splice(0, most).map(counters => this.takeServer(counters));
    return { client, servers, routes: this.takeRoutes(most) };
  }

  private routeOf(route: RouteFacts | undefined): RouteCounters | undefined {
    let counters: RouteCounters | undefined;
    if (route !== undefined) {
      counters = this.byRoute.get(route);
      if (counters === undefined) {
        counters = new RouteCounters();
        this.byRoute.set(route, counters);
      }
    }
    this.lastRoute = route;
    this.last = counters;
    return counters;
  }

  /** Forgets reported routes, because routes come and go. */
  private takeRoutes(most: number): RouteCounts[] | undefined {
    if (this.byRoute.size === 0) return undefined;
    const told: RouteCounts[] = [];
    for (const [route, { success, failed }] of this.byRoute) {
      if (told.length >= most) break;
      told.push({ route: route.name, success, failed });
      this.byRoute.delete(route);
    }
    this.lastRoute = undefined;
    this.last = undefined;
    return told;
  }

  private touch(upstream: Upstream): UpstreamCounters {
    let counters = this.byUpstream.get(upstream);
    if (counters === undefined) {
      counters = new UpstreamCounters(upstream);
      this.byUpstream.set(upstream, counters);
    }
    if (!counters.touched) {
      counters.touched = true;
      this.touched.push(counters);
    }
    return counters;
  }

  private takeServer(counters: UpstreamCounters): ServerCounts {
    const { upstream, success, failed, connectErrors } = counters;
    const { pool, id, inFlight } = upstream;
    counters.touched = false;
    counters.success = 0;
    counters.failed = 0;
    counters.connectErrors = 0;
    const gone = inFlight === 0 && this.pools.get(pool)?.get(id) !== upstream;
    if (gone) this.byUpstream.delete(upstream);
    return { pool, id, success, failed, connectErrors, inFlight, latency: counters.latency.take() };
  }
}

/** A client that left fails the attempt. A malformed request, or a fault within Weldr, does not count against the server. */
function countsAgainstServer({ blame, code }: WeldrError): boolean {
  return blame === 'upstream' || code === 'CLIENT_CLOSED' || code === 'DEADLINE_EXCEEDED';
}

function isConnectError({ code }: WeldrError): boolean {
  return (
    code === 'CONNECT_FAILED' || code === 'CONNECT_TIMEOUT' || code === 'TLS_FAILED' || code === 'OWN_ADDRESS'
  );
}
