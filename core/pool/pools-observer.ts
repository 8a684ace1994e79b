// PoolsObserver: follows the changes of the pools in the manager.
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

/** Follows the pools. All methods are optional; called after the change is visible. Errors that they throw are logged. */
export interface PoolsObserver {
  /**
   * Returns this plugin's complaint about a server before it joins, or undefined. With a complaint it is down from the first
   * moment, until `ManagerPools.verdict` withdraws it.
   */
  joining?(server: JoiningServer): string | undefined;
  /** An upstream is new or its record differs from `before`. */
  upstreamChanged?(upstream: Upstream, before: UpstreamRecord | undefined): void;
  /** A server's definition was set: by a source, the config or an operator. */
  defined?(entry: PoolEntry): void;
  /** A server has left for good. */
  removed?(upstream: Upstream): void;
}
