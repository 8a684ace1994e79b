// StateStore: where the manager keeps what operators said. The store behind it is a plugin's.
import type { OperatorLayer } from './layer.ts';
import type { Batch, Row, RowChange } from './row.ts';

/** Keeps rows. A plugin gives one to `operator.useStore`. */
export interface StateStore {
  /** The layer that what operators defined is shown as. */
  readonly layer: OperatorLayer;
  /** What is kept. A store that is away answers its last local copy; damage is set aside and logged, not thrown. */
  load(): Promise<readonly Row[]>;
  /**
   * Resolves when the batch is durable, all of it. Rejects with STORE_UNAVAILABLE (nothing was written) or CONFLICT
   * (somebody else changed one of its rows since this process saw it; what is there now was told to `watch`).
   *
   * Resolves with a batch where others have changed rows of this one since, and the store has heard of that first: it is
   * applied over this one at once, so that nothing is decided by what is out of date.
   */
  write(batch: Batch): Promise<Batch | undefined>;
  /**
   * Resolves when what this process knows of these rows is what the store holds. Rejects with STORE_UNAVAILABLE, or with
   * CONFLICT where others changed one that it has not heard of; what is there now was told to `watch`. Asked before a write that
   * would change nothing is acknowledged, or is refused for what is known. Undefined: nobody else changes rows.
   */
  confirm?(rows: readonly Pick<RowChange, 'kind' | 'key'>[]): Promise<void>;
  /** Told of changes that others made. The manager applies them in the order of the calls. */
  watch?(listener: (batch: Batch) => void): void;
  /** Are reads possibly out of date, because the store is away? */
  readonly stale?: boolean;
  /** Does the store itself drop rows whose ttl has passed (and tell `watch`)? Else the manager does. */
  readonly expires?: boolean;
  /** Does it encrypt secrets where it keeps them? */
  readonly seals?: boolean;
}
