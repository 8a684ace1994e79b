// Resolves writes, given the rows that are known here: the rows after them, checked all together. Changes nothing.
import { WeldrError } from '../errors.ts';
import type { Entity } from './entity.ts';
import { type Mark, type Row, type RowChange, rowId } from './row.ts';
import { type RowTable, sameRow } from './row-table.ts';
import { rowAfter, type Write } from './write.ts';

/** The result of one write. */
export interface Written {
  readonly kind: string;
  readonly key: string;
  readonly before: Entity | undefined;
  readonly after: Entity | undefined;
  /** Whether the row differs from the one before. */
  readonly changed: boolean;
}

/** The result of a batch of writes. */
export interface ResolvedWrites {
  readonly written: Written[];
  readonly changes: RowChange[];
  /** Those that would change nothing. */
  readonly same: readonly Written[];
}

/** What writes are resolved against. */
export interface WriteGround {
  readonly table: RowTable;
  /** Whether a base that is not seen here may exist elsewhere, in the config of another node. */
  readonly shared: boolean;
}

/** Throws INPUT_INVALID, NOT_FOUND, and what the expectation of a write or a kind's `admit` throws. */
export function resolveWrites(writes: readonly Write[], mark: Mark, ground: WriteGround): ResolvedWrites {
  const seen = new Set<string>();
  const written: Written[] = [];
  const changes: RowChange[] = [];
  const same: Written[] = [];
  for (const [index, write] of writes.entries()) {
    const { kind, key } = write;
    if (seen.has(rowId(kind, key))) {
      throw new WeldrError('INPUT_INVALID', `changes[${index}]: ${key} occurs twice in the batch`, {
        field: `changes[${index}]`,
      });
    }
    seen.add(rowId(kind, key));
    const one = inPlace(writes, index, () => resolveOne(write, mark, ground));
    written.push(one.written);
    if (one.written.changed || one.renews) changes.push({ kind, key, row: one.row });
    else same.push(one.written);
  }
  const { table } = ground;
  table.supposing(changes, () => {
    for (const [index, { kind, key, before, after }] of written.entries()) {
      const write = writes[index];
      const force = write?.op === 'remove' && write.force === true;
      inPlace(writes, index, () => table.host(kind).admit?.(key, after, { before, force }));
    }
  });
  return { written, changes, same };
}

function resolveOne(
  write: Write,
  mark: Mark,
  { table, shared }: WriteGround,
): { written: Written; row: Row | undefined; renews: boolean } {
  const { kind, key } = write;
  const host = table.host(kind);
  if (!host.kind.isKey(key)) {
    throw new WeldrError('INPUT_INVALID', `key: no ${kind} can have the key ${JSON.stringify(key)}`, {
      field: 'key',
    });
  }
  const row = table.row(kind, key);
  const before = table.entity(host, key, row);
  write.expect?.(before);
  const found = { kind: host.kind, base: host.base(key), row, entity: before, shared };
  const next = rowAfter(write, found, mark);
  const after = table.entity(host, key, next);
  const changed = !sameRow(row, next);
  const renews = next?.value !== undefined && host.kind.lifetime(next.value) !== undefined;
  return { written: { kind, key, before, after, changed }, row: changed ? next : row, renews };
}

/** Does something for one of several writes; an error names the write that it is about. */
function inPlace<T>(writes: readonly Write[], index: number, work: () => T): T {
  if (writes.length === 1) return work();
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    const field = `changes[${index}]${thrown.field === undefined ? '' : `.${thrown.field}`}`;
    throw new WeldrError(thrown.code, `changes[${index}]: ${thrown.message}`, { cause: thrown, field });
  }
}
