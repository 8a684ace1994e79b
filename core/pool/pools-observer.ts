// PoolsObserver: who is told of what changes in the pools of the manager.
import type { Upstream, UpstreamRecord } from './pool.ts';
import type { PoolEntry } from './pool-entry.ts';

/** Follows the pools. All optional; called after the change is visible. What it throws is logged. */
export interface PoolsObserver {
  /** An upstream is new or its record differs from `before`. */
  upstreamChanged?(upstream: Upstream, before: UpstreamRecord | undefined): void;
  /** A server's definition was set: by a source, the config or an operator. */
  defined?(entry: PoolEntry): void;
  /** A server has left for good. */
  removed?(upstream: Upstream): void;
}
