// RowTable: the rows that this process knows, by kind, and what they make of the bases below them.
import { WeldrError } from '../errors.ts';
import { type Base, type Entity, effective } from './entity.ts';
import type { KindHost } from './kind-host.ts';
import type { OperatorLayer } from './layer.ts';
import { stableJson } from './merge-patch.ts';
import { type Batch, type Mark, type Row, type RowChange, rowId } from './row.ts';

/** What a {@link RowTable} works with. */
export interface RowTableOptions {
  /** The current layer that operators' whole entities are shown with. */
  layer(): OperatorLayer;
  /** Called once for each problem of a row that cannot be used as it is. */
  report(row: Row, problem: string): void;
}

/** All rows, including those of unknown kinds. */
export class RowTable {
  private readonly options: RowTableOptions;
  private readonly kinds = new Map<string, KindHost>();
  private readonly rows = new Map<string, Row>();
  /**
   * The results of rows over the bases that they were last merged with: checking again costs more than the rest of a
   * change.
   */
  private readonly merged = new WeakMap<
    Row,
    { readonly base: Base | undefined; readonly layer: OperatorLayer; readonly entity: Entity | undefined }
  >();
  private readonly reported = new WeakMap<Row, Set<string>>();
  /** Unknown kinds of rows that were reported. */
  private readonly unknownKinds = new Set<string>();
  private readonly observers = new Set<(changes: readonly RowChange[]) => void>();

  constructor(options: RowTableOptions) {
    this.options = options;
  }

  /** Makes a kind known; its rows are active from now on. */
  register(host: KindHost): void {
    this.kinds.set(host.kind.name, host);
    this.unknownKinds.delete(host.kind.name);
  }

  /** Makes a kind unknown: its rows stay, and have no effect. */
  unregister(kind: string): void {
    this.kinds.delete(kind);
  }

  /** Follows the rows: called once for everything that was changed together, when it is active here. */
  observe(observer: (changes: readonly RowChange[]) => void): () => void {
    this.observers.add(observer);
    return () => void this.observers.delete(observer);
  }

  get all(): IterableIterator<Row> {
    return this.rows.values();
  }

  row(kind: string, key: string): Row | undefined {
    return this.rows.get(rowId(kind, key));
  }

  /** Undefined: the kind is not known. */
  knownHost(kind: string): KindHost | undefined {
    return this.kinds.get(kind);
  }

  /** Throws INPUT_INVALID when the kind is not known. */
  host(kind: string): KindHost {
    const host = this.kinds.get(kind);
    if (host !== undefined) return host;
    const known = [...this.kinds.keys()].join(', ');
    throw new WeldrError(
      'INPUT_INVALID',
      `kind: ${JSON.stringify(kind)} does not change at run time; ${known} do`,
      {
        field: 'kind',
      },
    );
  }

  /** The entity that a row, which need not be in the table, makes of a thing; undefined: there is none. */
  entity(host: KindHost, key: string, row: Row | undefined): Entity | undefined {
    const base = host.base(key);
    const layer = this.options.layer();
    if (row === undefined) return effective(host.kind, { base, row, layer, report: () => {} });
    const known = this.merged.get(row);
    const isSame =
      known?.layer === layer && known.base?.value === base?.value && known.base?.layer === base?.layer;
    if (known !== undefined && isSame) return known.entity;
    const report = (problem: string): void => this.reportOnce(row, problem);
    const entity = effective(host.kind, { base, row, layer, report });
    this.merged.set(row, { base, layer, entity });
    return entity;
  }

  /** Shows `look` the state after all changes of a batch. */
  supposing(changes: readonly RowChange[], look: () => void): void {
    const before = changes.map(({ kind, key }) => ({ kind, key, row: this.row(kind, key) }));
    this.set(changes);
    try {
      look();
    } finally {
      this.set(before);
    }
  }

  /** Makes changes, and updates the kinds to match. */
  apply({ changes, reset, ...mark }: Batch): void {
    const touched = new Map<string, RowChange>();
    if (reset === true) {
      for (const [id, { kind, key }] of this.rows) touched.set(id, { kind, key, row: undefined });
      this.rows.clear();
    }
    const usable = changes.filter(change => this.hasUsableKey(change));
    for (const change of usable) touched.set(rowId(change.kind, change.key), change);
    this.set(usable);
    for (const { kind, key } of touched.values()) this.kinds.get(kind)?.changed(key, mark);
    const all = [...touched.values()];
    if (all.length > 0) for (const observer of this.observers) observer(all);
  }

  /** Makes `rows` the only rows, as one batch of the differences. */
  replace(rows: readonly Row[], mark: Mark): void {
    const gone = new Map(this.rows);
    const changes: RowChange[] = [];
    for (const row of rows) {
      const id = rowId(row.kind, row.key);
      gone.delete(id);
      if (!sameRow(this.rows.get(id), row)) changes.push({ kind: row.kind, key: row.key, row });
    }
    for (const { kind, key } of gone.values()) changes.push({ kind, key, row: undefined });
    this.apply({ ...mark, changes });
  }

  private set(changes: readonly RowChange[]): void {
    for (const { kind, key, row } of changes) {
      if (row === undefined) this.rows.delete(rowId(kind, key));
      else this.rows.set(rowId(kind, key), row);
    }
  }

  /** A row whose kind cannot have its key stays in the store, and has no effect. */
  private hasUsableKey({ kind, key, row }: RowChange): boolean {
    if (row !== undefined && !this.kinds.has(kind)) this.reportKind(row);
    const isKey = this.kinds.get(kind)?.kind.isKey(key) ?? true;
    if (!isKey && row !== undefined) this.reportOnce(row, `no ${kind} can have this key: it has no effect`);
    return isKey;
  }

  /** Once for all rows of a kind: a later version, or a plugin that only other nodes' configs have, keeps them. */
  private reportKind(row: Row): void {
    if (this.unknownKinds.has(row.kind)) return;
    this.unknownKinds.add(row.kind);
    this.options.report(
      row,
      `neither this version nor a plugin of its config knows a ${row.kind}: it is kept, as all of its kind, and has no effect`,
    );
  }

  private reportOnce(row: Row, problem: string): void {
    const known = this.reported.get(row) ?? new Set();
    if (known.has(problem)) return;
    this.reported.set(row, known.add(problem));
    this.options.report(row, problem);
  }
}

/** Returns whether two rows are equal except for their authors. */
export function sameRow(a: Row | undefined, b: Row | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.op === b.op && stableJson(a.value ?? null) === stableJson(b.value ?? null);
}
