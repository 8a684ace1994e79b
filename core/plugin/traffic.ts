// Traffic: what was counted of requests a moment ago, from the plugin that counts to those that show it.
import type { LatencyCounts } from '../bounded/latency-histogram.ts';

/** How requests or attempts went that have finished, and how long they took. */
export interface Finished {
  readonly success: number;
  readonly failed: number;
  readonly latency: LatencyCounts;
}

/** What one worker counted since it last told. */
export interface TrafficCounts {
  /** Requests of clients. */
  readonly client: Finished;
  /** Attempts on servers, of those that had any. */
  readonly servers: readonly (Finished & { readonly pool: string; readonly id: string })[];
}

/** The requests of clients that a route took, of those that have ended. */
export interface RouteHits {
  readonly success: number;
  readonly failed: number;
  /** When the last of them ended, ms since the epoch, to within what workers take to tell; null: there was none. */
  readonly lastAt: number | null;
}

/** Who counts. */
export interface TrafficSource {
  /** Requests that a server has now. */
  inFlight(pool: string, id: string): number;
  /** What a route of this name took since the start. */
  hits(route: string): RouteHits;
}

/** What passes the counts on. */
export class Traffic {
  private readonly sources: TrafficSource[] = [];
  private readonly listeners = new Set<(counts: TrafficCounts) => void>();

  /** Does a plugin count? */
  get counted(): boolean {
    return this.sources.length > 0;
  }

  /** Requests that a server has now; 0 where nobody counts. */
  inFlight(pool: string, id: string): number {
    return this.sources[0]?.inFlight(pool, id) ?? 0;
  }

  /** What a route took; undefined where nobody counts. */
  hits(route: string): RouteHits | undefined {
    return this.sources[0]?.hits(route);
  }

  /** A plugin counts until `end` is called. Of several only the first is heard, as all count the same. */
  provide(source: TrafficSource): { readonly record: (counts: TrafficCounts) => void; end(): void } {
    this.sources.push(source);
    return {
      record: counts => {
        if (this.sources[0] !== source) return;
        for (const listener of this.listeners) listener(counts);
      },
      end: () => {
        const at = this.sources.indexOf(source);
        if (at >= 0) this.sources.splice(at, 1);
      },
    };
  }

  /** Follows the counts until what it returns is called. */
  follow(listener: (counts: TrafficCounts) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
