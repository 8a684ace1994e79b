// RowReplica: the rows of kinds that plugins own, in a worker, merged with its own config.
import { type Entity, effective, type Kind } from '../state/entity.ts';
import { type Row, type RowChange, rowId } from '../state/row.ts';
import type { EntitySource, EntityViews } from './entity-views.ts';
import { type KindList, stateKindOf } from './kind-lists.ts';

/** The rows of one worker. */
export class RowReplica implements EntitySource {
  private readonly rows = new Map<string, Row>();
  private lists: ReadonlyMap<string, KindList> = new Map();
  private kinds: ReadonlyMap<string, Kind> = new Map();
  private views: EntityViews | undefined;

  get all(): Iterable<Row> {
    return this.rows.values();
  }

  /** Sets the bases, and the receiver of changes from now on. */
  use(lists: ReadonlyMap<string, KindList>, views: EntityViews): void {
    this.lists = lists;
    this.kinds = new Map([...lists].map(([name, list]) => [name, stateKindOf(list, () => list)]));
    this.views = views;
  }

  /** Applies changes that were made together. */
  apply(changes: readonly RowChange[]): void {
    if (changes.length === 0) return;
    for (const { kind, key, row } of changes) {
      if (row === undefined) this.rows.delete(rowId(kind, key));
      else this.rows.set(rowId(kind, key), row);
    }
    this.views?.changed(changes);
  }

  row(kind: string, key: string): Row | undefined {
    return this.rows.get(rowId(kind, key));
  }

  entity(kindName: string, key: string): Entity | undefined {
    const list = this.lists.get(kindName);
    const kind = this.kinds.get(kindName);
    if (list === undefined || kind === undefined) return undefined;
    // The manager reports rows that cannot be used.
    const { base, row } = { base: list.base(key), row: this.row(kindName, key) };
    return effective(kind, { base, row, layer: 'api', report: () => {} });
  }
}
