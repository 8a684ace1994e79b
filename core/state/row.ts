// Row: an operator's change of one thing, and batches of changes to rows. Only these are stored.
import { z } from 'zod';
import type { JsonObject } from './merge-patch.ts';

/** Who wrote something, and when. */
export interface Mark {
  /** Such as `127.0.0.1`, `plugin registrar`, `ttl`. */
  readonly by: string;
  /** ms since the epoch. */
  readonly at: number;
}

/** An operator's change of one thing; one per key. `by` and `at` are those of the last write. */
export interface Row extends Mark {
  /** Such as `server` or `setting`. */
  readonly kind: string;
  /** Identifies the thing within its kind: `POOL/URL` for a server, the name for a setting. */
  readonly key: string;
  /**
   * `define`: the whole thing, which needs no base. `patch`: a merge patch (RFC 7396) over the base, exactly the
   * fields that were changed. `remove`: the thing does not exist, whatever the base says.
   */
  readonly op: 'define' | 'patch' | 'remove';
  /** The entity or the patch; absent for `remove`. */
  readonly value?: JsonObject | undefined;
  /** The marks of fields that a write before the last one set. */
  readonly marks?: Readonly<Record<string, Mark>> | undefined;
}

/** The change of one row; `row` undefined: it is forgotten. */
export interface RowChange {
  readonly kind: string;
  readonly key: string;
  readonly row: Row | undefined;
}

/** Changes that are made together or not at all. */
export interface Batch extends Mark {
  /** All rows are forgotten, before `changes`. */
  readonly reset?: boolean | undefined;
  readonly changes: readonly RowChange[];
}

/** The most rows that operators may change at once. */
export const maxBatch = 100;

/** The most changes of a dry run: those of several batches, of which later ones need earlier ones. */
export const maxPlanned = 5_000;

/** Returns what identifies a row. */
export const rowId = (kind: string, key: string): string => `${kind} ${key}`;

const mark = z.looseObject({ by: z.string().max(500), at: z.number() });
const name = z.string().min(1).max(2200);
const value = z.record(z.string(), z.unknown());

/** Schema of a {@link Row} from outside: a file, a cluster, an import. Fields that a later version added are kept. */
export const storedRow: z.ZodType<Row> = z.looseObject({
  kind: z.string().min(1).max(100),
  key: name,
  op: z.enum(['define', 'patch', 'remove']),
  value: value.optional(),
  ...mark.shape,
  marks: z.record(z.string(), mark).optional(),
});
