// StateStore: where the manager keeps operators' rows. A plugin implements it.
import type { OperatorLayer } from './layer.ts';
import type { Batch, Row, RowChange } from './row.ts';

/** Keeps rows. A plugin passes one to `operator.useStore`. */
export interface StateStore {
  /** The layer shown for what operators define. */
  readonly layer: OperatorLayer;
  /** Returns all rows. A store that is away returns its last local copy; damage is set aside and logged, not thrown. */
  load(): Promise<readonly Row[]>;
  /**
   * Resolves when the batch is durable, all of it. Rejects with STORE_UNAVAILABLE (nothing was written) or CONFLICT
   * (another node changed one of its rows since this process saw it; `watch` has received what is stored now).
   *
   * Resolves with a batch if others have since changed rows of this one, and the store learned that first: it is applied
   * over this one at once, so that nothing is decided on outdated rows.
   */
  write(batch: Batch): Promise<Batch | undefined>;
  /**
   * Resolves when this process knows these rows as the store holds them. Rejects with STORE_UNAVAILABLE, or with CONFLICT if
   * others changed one without this process knowing; `watch` has received what is stored now. Called before a write that
   * would change nothing is acknowledged, or is refused by what is known. Undefined: only this process changes rows.
   */
  confirm?(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void>;
  /** Calls `listener` with changes that others made. The manager applies them in the order of the calls. */
  watch?(listener: (batch: Batch) => void): void;
  /** Whether reads may be out of date, because the store is away. */
  readonly stale?: boolean;
  /** Whether the store itself drops rows whose ttl has passed (and reports that to `watch`). Otherwise the manager does. */
  readonly expires?: boolean;
  /** Whether it encrypts the secrets that it stores. */
  readonly seals?: boolean;
}
