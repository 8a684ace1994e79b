// PoolStore: where run-time pool changes are kept. The store behind it is a plugin's.
import type { Layer } from './pool.ts';
import type { ServerDefinition } from './server-definition.ts';

/**
 * What an operator said about one server: `added`, with its definition; or `removed`, which also hides the config's
 * entry of this id. What nobody said anything about has no entry.
 */
export type StoredEntry =
  | { readonly pool: string; readonly id: string; readonly kind: 'added'; readonly server: ServerDefinition }
  | { readonly pool: string; readonly id: string; readonly kind: 'removed' };

/** A run-time setting that is not of one server, such as the default health check; JSON. */
export interface StoredSetting {
  readonly name: string;
  readonly value: unknown;
}

/** One durable change. `forget` drops an entry, so that the config alone decides; `reset` drops all of them. */
export type StoreChange =
  | { readonly op: 'put'; readonly entry: StoredEntry }
  | { readonly op: 'forget'; readonly pool: string; readonly id: string }
  | { readonly op: 'setting'; readonly setting: StoredSetting }
  | { readonly op: 'reset' };

/** All that a store holds. */
export interface StoredPools {
  readonly entries: readonly StoredEntry[];
  readonly settings: readonly StoredSetting[];
}

/** Where the manager keeps what the API changed. */
export interface PoolStore {
  /** The layer that its entries are shown as. */
  readonly layer: Extract<Layer, 'api' | 'cluster'>;
  /** What is kept. A store that is away answers its last local copy; damage is set aside and logged, not thrown. */
  load(): Promise<StoredPools>;
  /**
   * Resolves when the change is durable. Rejects with STORE_UNAVAILABLE (nothing was written) or CONFLICT
   * (somebody else changed the same entry since this process saw it).
   */
  write(change: StoreChange): Promise<void>;
  /** Told of changes that others made. The manager applies them in the order of the calls. */
  watch?(listener: (change: StoreChange) => void): void;
  /** Are reads possibly out of date, because the store is away? */
  readonly stale?: boolean;
  /** Does the store itself drop entries whose ttl has passed (and tell `watch`)? Else the manager does. */
  readonly expires?: boolean;
}
