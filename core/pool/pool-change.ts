// PoolChange: one change of a pool, as the manager sends it to the workers: plain JSON.
import type { PoolSettings } from './pool-settings.ts';
import type { UpstreamRecord } from './upstream-record.ts';

/** A change of one pool. */
export type PoolChange =
  | { readonly op: 'set'; readonly pool: string; readonly upstream: UpstreamRecord }
  | { readonly op: 'delete'; readonly pool: string; readonly id: string }
  /** The settings of the pool as a whole. */
  | { readonly op: 'settings'; readonly pool: string; readonly settings: PoolSettings };
