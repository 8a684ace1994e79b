// An import of rows: checked before any is taken, then taken in small batches so that nothing else must wait.
import { toError, WeldrError } from '../errors.ts';
import { TimeSlices } from '../time/time-slices.ts';
import type { KindHost } from './kind-host.ts';
import type { Row, RowChange } from './row.ts';

/** Rows of a batch: few, because a leader's renewals wait for each batch. */
const batchSize = 25;
/** Batches that are under way at once: a store may be far away. */
const batchesAtOnce = 4;

/** Where rows are imported to. */
export interface ImportTarget {
  /** Undefined: the kind is not known, and its rows are taken as they are. */
  knownHost(kind: string): KindHost | undefined;
  commit(changes: readonly RowChange[]): Promise<void>;
}

/** Rejects with INPUT_INVALID and the place of the first row that cannot be used, before anything has changed. */
export async function importRows(rows: readonly Row[], target: ImportTarget): Promise<void> {
  const slices = new TimeSlices();
  for (const [index, row] of rows.entries()) {
    expectUsable(row, `rows[${index}]`, target);
    await slices.pause();
  }
  let next = 0;
  const takeBatches = async (): Promise<void> => {
    for (;;) {
      const changes = rows.slice(next, next + batchSize).map(changeTo);
      if (changes.length === 0) return;
      next += batchSize;
      await target.commit(changes);
      await slices.pause();
    }
  };
  const taken = await Promise.allSettled(Array.from({ length: batchesAtOnce }, takeBatches));
  for (const one of taken) if (one.status === 'rejected') throw one.reason;
}

/** The change that results in a row. */
export const changeTo = (row: Row): RowChange => ({ kind: row.kind, key: row.key, row });

function expectUsable(row: Row, where: string, target: ImportTarget): void {
  const host = target.knownHost(row.kind);
  if (host?.kind.isKey(row.key) === false) {
    const field = `${where}.key`;
    throw new WeldrError('INPUT_INVALID', `${field}: no ${row.kind} can have this key`, { field });
  }
  if (host === undefined || row.op !== 'define') return;
  try {
    host.kind.read(row.key, row.value, () => {});
  } catch (thrown) {
    const { message } = toError(thrown);
    throw new WeldrError('INPUT_INVALID', `${where}.value: ${message}`, {
      cause: thrown,
      field: `${where}.value`,
    });
  }
}
