// Row: an operator's word about one thing, and batches of changes to rows. Only these are stored.
import { z } from 'zod';
import type { JsonObject } from './merge-patch.ts';

/** Who wrote something, and when. */
export interface Mark {
  /** Such as `127.0.0.1`, `plugin registrar`, `ttl`. */
  readonly by: string;
  /** ms since the epoch. */
  readonly at: number;
}

/** An operator's word about one thing; one a key. The last write was `by`, `at`. */
export interface Row extends Mark {
  /** Such as `server` or `setting`. */
  readonly kind: string;
  /** Which of its kind: of a server `POOL/URL`, of a setting its name. */
  readonly key: string;
  /**
   * `define`: the whole of it, which stands without a base. `patch`: a merge patch (RFC 7396) over the base, exactly the
   * fields that were changed. `remove`: it is not to be, whatever the base says.
   */
  readonly op: 'define' | 'patch' | 'remove';
  /** The entity or the patch; none where it is removed. */
  readonly value?: JsonObject | undefined;
  /** Of fields that another write than the last one set: which. */
  readonly marks?: Readonly<Record<string, Mark>> | undefined;
}

/** What becomes of one row; `row` undefined: it is forgotten. */
export interface RowChange {
  readonly kind: string;
  readonly key: string;
  readonly row: Row | undefined;
}

/** Changes that are made all or none. */
export interface Batch extends Mark {
  /** All rows are forgotten, before `changes`. */
  readonly reset?: boolean | undefined;
  readonly changes: readonly RowChange[];
}

/** The most rows that operators may change at once. */
export const maxBatch = 100;

/** What tells a row from all others. */
export const rowId = (kind: string, key: string): string => `${kind} ${key}`;

const mark = z.looseObject({ by: z.string().max(500), at: z.number() });
const name = z.string().min(1).max(2200);
const value = z.record(z.string(), z.unknown());

/** Schema of a {@link Row} from outside: a file, a cluster, an import. What a later version added to it is kept. */
export const storedRow: z.ZodType<Row> = z.looseObject({
  kind: z.string().min(1).max(100),
  key: name,
  op: z.enum(['define', 'patch', 'remove']),
  value: value.optional(),
  ...mark.shape,
  marks: z.record(z.string(), mark).optional(),
});
