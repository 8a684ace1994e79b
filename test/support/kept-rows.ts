// A store in memory that outlives its readers, as a file does.
import type { OperatorLayer } from '../../core/state/layer.ts';
import type { Batch, Row } from '../../core/state/row.ts';
import { rowId } from '../../core/state/row.ts';
import type { StateStore } from '../../core/state/store.ts';

/** Keeps rows by kind and key; loading returns the rows written last. */
export class KeptRows implements StateStore {
  readonly layer: OperatorLayer = 'api';
  readonly rows = new Map<string, Row>();

  async load(): Promise<readonly Row[]> {
    return [...this.rows.values()];
  }

  async write({ reset, changes }: Batch): Promise<undefined> {
    if (reset === true) this.rows.clear();
    for (const { kind: name, key, row } of changes) {
      if (row === undefined) this.rows.delete(rowId(name, key));
      else this.rows.set(rowId(name, key), structuredClone(row));
    }
  }
}
