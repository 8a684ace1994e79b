// JournalContents: the rows that result from applying the batches of a journal in order.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { batchOfFirst, firstChange } from '../../core/pool/first-format.ts';
import { type Batch, type Mark, type Row, type RowChange, rowId, storedRow } from '../../core/state/row.ts';
import { decodeLine, encodeLine } from './journal-line.ts';

/** The format version that this code writes, and the highest that it reads; it also reads version 1. */
const formatVersion = 2;

const header = z.object({ format: z.literal('weldr-pool'), version: z.number().int() });

/** A batch as stored in a line. */
const batchLine = z.object({
  by: z.string(),
  at: z.number(),
  reset: z.literal(true).optional(),
  put: z.array(storedRow).default([]),
  forget: z.array(z.object({ kind: z.string(), key: z.string() })).default([]),
});

const lineFeed = 0x0a;
const zero = 0;

/** What reading a journal found besides its contents. */
export interface JournalFindings {
  /** Bytes up to the end of the last complete line. */
  readonly length: number;
  /** Bytes after that: a line that was cut off while being written. */
  readonly torn: number;
  /** Complete lines, including the header. */
  readonly lines: number;
  /** The numbers, from 1, of the lines that could not be read; at most the first 20. */
  readonly damaged: readonly number[];
  readonly damagedCount: number;
  /** The version in its header; undefined: no readable header. */
  readonly version: number | undefined;
  /** Whether it contains nothing of a journal, not even of a damaged one. */
  readonly isForeign: boolean;
}

/** Rows by kind and key. */
export class JournalContents {
  private readonly rows = new Map<string, Row>();
  /** @param origin author and time for entries of the first format, which has neither */
  private readonly origin: Mark;

  constructor(origin: Mark) {
    this.origin = origin;
  }

  get size(): number {
    return this.rows.size;
  }

  get stored(): readonly Row[] {
    return [...this.rows.values()];
  }

  apply({ reset, changes }: Batch): void {
    if (reset === true) this.rows.clear();
    for (const { kind, key, row } of changes) {
      if (row === undefined) this.rows.delete(rowId(kind, key));
      else this.rows.set(rowId(kind, key), row);
    }
  }

  /** Returns whether this change would alter nothing, so that a service that registers itself repeatedly costs no write. */
  holds({ kind, key, row }: RowChange): boolean {
    const known = this.rows.get(rowId(kind, key));
    return row === undefined ? known === undefined : isDeepStrictEqual(known, row);
  }

  /** Yields the lines of the shortest journal with these contents. */
  *lines(): Generator<string> {
    yield encodeLine({ format: 'weldr-pool', version: formatVersion });
    for (const row of this.rows.values()) {
      const { by, at, kind, key } = row;
      yield lineOf({ by, at, changes: [{ kind, key, row }] });
    }
  }

  /** Applies what can be read of the bytes of a journal. Throws STORE_DAMAGED when a newer Weldr wrote it. */
  read(bytes: Buffer): JournalFindings {
    const damaged: number[] = [];
    let damagedCount = 0;
    let lines = 0;
    let start = 0;
    let version: number | undefined;
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
      const record = decodeLine(bytes.toString('utf8', start, end));
      lines++;
      start = end + 1;
      if (lines === 1) version = versionOf(record);
      // A first line that is a batch was once the second: the header is missing.
      const isWhole = lines === 1 && version !== undefined ? true : this.readRecord(record) && lines > 1;
      if (isWhole) continue;
      damagedCount++;
      if (damaged.length < 20) damaged.push(lines);
    }
    const isForeign =
      bytes.length > 0 && damagedCount === lines && this.size === 0 && !looksLikeJournal(bytes);
    return { length: start, torn: bytes.length - start, lines, damaged, damagedCount, version, isForeign };
  }

  private readRecord(record: unknown): boolean {
    const batch = batchLine.safeParse(record);
    if (batch.success) {
      const { by, at, reset, put, forget } = batch.data;
      const gone = forget.map(one => ({ ...one, row: undefined }));
      this.apply({
        by,
        at,
        reset,
        changes: [...put.map(row => ({ kind: row.kind, key: row.key, row })), ...gone],
      });
      return true;
    }
    const first = firstChange.safeParse(record);
    if (first.success) this.apply(batchOfFirst(first.data, this.origin));
    return first.success;
  }
}

/** Returns a batch as a line. */
export function lineOf({ by, at, reset, changes }: Batch): string {
  const put = changes.flatMap(({ row }) => row ?? []);
  const forget = changes.flatMap(({ kind, key, row }) => (row === undefined ? [{ kind, key }] : []));
  return encodeLine({
    by,
    at,
    ...(reset === true && { reset }),
    ...(put.length > 0 && { put }),
    ...(forget.length > 0 && { forget }),
  });
}

function versionOf(record: unknown): number | undefined {
  const found = header.safeParse(record);
  if (!found.success) return undefined;
  const { version } = found.data;
  if (version <= formatVersion) return version;
  throw new WeldrError(
    'STORE_DAMAGED',
    `it is of format version ${version}, written by a newer Weldr; this one reads up to ${formatVersion}`,
  );
}

/** Returns whether it begins like a journal, or is what a crashed file system leaves of one: only zeros. */
function looksLikeJournal(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 2) === '["'.slice(0, bytes.length) || bytes.every(byte => byte === zero);
}
