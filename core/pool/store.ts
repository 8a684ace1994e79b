// PoolStore: where run-time pool changes are kept. The store behind it is a plugin's.
import { z } from 'zod';
import type { Layer } from './pool.ts';
import { type ServerDefinition, serverDefinition } from './server-definition.ts';

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

const namePattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/i;
const poolName = z.string().regex(namePattern, 'not the name of a pool');
const id = z.string().max(2048);

/** May a pool be called this? 1 to 63 letters, digits, dashes, dots and underscores, the first a letter or a digit. */
export function isPoolName(name: unknown): boolean {
  return typeof name === 'string' && namePattern.test(name);
}

/** Schema of a {@link StoredEntry} from outside: a file, a cluster, an import. */
export const storedEntry: z.ZodType<StoredEntry> = z
  .discriminatedUnion('kind', [
    z.strictObject({ pool: poolName, id, kind: z.literal('added'), server: serverDefinition }),
    z.strictObject({ pool: poolName, id, kind: z.literal('removed') }),
  ])
  .refine(entry => entry.kind === 'removed' || entry.id === entry.server.url, {
    path: ['id'],
    message: "is not the server's URL",
  });

/** Schema of a {@link StoredSetting} from outside. */
export const storedSetting: z.ZodType<StoredSetting> = z
  .strictObject({ name: z.string().min(1).max(200), value: z.unknown() })
  .partial({ value: true })
  .transform(({ name, value }) => ({ name, value }));

/** Schema of a {@link StoreChange} from outside. */
export const storeChange: z.ZodType<StoreChange> = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), entry: storedEntry }),
  z.strictObject({ op: z.literal('forget'), pool: poolName, id }),
  z.strictObject({ op: z.literal('setting'), setting: storedSetting }),
  z.strictObject({ op: z.literal('reset') }),
]);

/** Schema of {@link StoredPools} from outside. */
export const storedPools: z.ZodType<StoredPools> = z.strictObject({
  entries: z.array(storedEntry).max(100_000),
  settings: z.array(storedSetting).max(1000),
});

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
