// Traffic: recent counts of requests, from the plugin that counts to those that show them.
import type { LatencyCounts } from '../bounded/latency-histogram.ts';

/** The outcomes and durations of finished requests or attempts. */
export interface Finished {
  readonly success: number;
  readonly failed: number;
  readonly latency: LatencyCounts;
}

/** What one worker has counted since its last message. */
export interface TrafficCounts {
  /** Requests of clients. */
  readonly client: Finished;
  /** Attempts, by server; only servers that had some. */
  readonly servers: readonly (Finished & { readonly pool: string; readonly id: string })[];
}

/** The finished requests that a route took. */
export interface RouteHits {
  readonly success: number;
  readonly failed: number;
  /**
   * When the last of them ended, ms since the epoch, to within the interval of the workers' messages; null: there was
   * none.
   */
  readonly lastAt: number | null;
}

/** The plugin that counts. */
export interface TrafficSource {
  /** Returns the number of requests that a server has now. */
  inFlight(pool: string, id: string): number;
  /** Returns what a route of this name took since the start. */
  hits(route: string): RouteHits;
}

/** Passes the counts on. */
export class Traffic {
  private readonly sources: TrafficSource[] = [];
  private readonly listeners = new Set<(counts: TrafficCounts) => void>();

  /** Whether a plugin counts. */
  get counted(): boolean {
    return this.sources.length > 0;
  }

  /** Returns the number of requests that a server has now; 0 if no plugin counts. */
  inFlight(pool: string, id: string): number {
    return this.sources[0]?.inFlight(pool, id) ?? 0;
  }

  /** Returns what a route took; undefined if no plugin counts. */
  hits(route: string): RouteHits | undefined {
    return this.sources[0]?.hits(route);
  }

  /**
   * Registers a plugin that counts until `end` is called. If there are several, only the first is used: all count the
   * same.
   */
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

  /** Follows the counts until the returned function is called. */
  follow(listener: (counts: TrafficCounts) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
