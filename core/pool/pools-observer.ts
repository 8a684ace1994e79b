// PoolsObserver: who is told of what changes in the pools of the manager.
import type { Upstream, UpstreamRecord } from './pool.ts';
import type { PoolEntry } from './pool-entry.ts';
import type { PoolSettings } from './pool-settings.ts';
import type { ServerDefinition } from './server-definition.ts';

/** A server that is about to join a pool. */
export interface JoiningServer {
  readonly pool: string;
  readonly server: ServerDefinition;
  readonly poolSettings: PoolSettings;
}

/** Follows the pools. All optional; called after the change is visible. What it throws is logged. */
export interface PoolsObserver {
  /**
   * Has this plugin a complaint about a server before it joins? It is down from its first moment then, until
   * `ManagerPools.verdict` takes the complaint back. Undefined: none.
   */
  joining?(server: JoiningServer): string | undefined;
  /** An upstream is new or its record differs from `before`. */
  upstreamChanged?(upstream: Upstream, before: UpstreamRecord | undefined): void;
  /** A server's definition was set: by a source, the config or an operator. */
  defined?(entry: PoolEntry): void;
  /** A server has left for good. */
  removed?(upstream: Upstream): void;
}
