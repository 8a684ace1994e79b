// Write: what an operator asks for, and the row that results. Pure: the caller writes to the store.
import { WeldrError } from '../errors.ts';
import type { Base, Entity, Kind } from './entity.ts';
import { amendPatch, isObject, type JsonObject, mergePatch, patchBetween } from './merge-patch.ts';
import type { Mark, Row } from './row.ts';

/** A change of one thing that an operator asks for. */
export type Write = {
  readonly kind: string;
  readonly key: string;
  /**
   * Checks the active entity before anything is done, when the write's turn has come; what it throws ends the write
   * and the batch.
   */
  readonly expect?: ((entity: Entity | undefined) => void) | undefined;
} & (
  | {
      /**
       * `add`: creates one with these fields, or sets these fields of an existing one. `put`: creates or replaces one with
       * exactly these fields. `patch`: a merge patch (RFC 7396) of an existing one.
       */
      readonly op: 'add' | 'put' | 'patch';
      readonly value: unknown;
    }
  | {
      readonly op: 'remove';
      /** Remove it even if other things name it, which then lead nowhere. */
      readonly force?: boolean | undefined;
    }
  /** The base becomes active again, for all fields or for these. */
  | { readonly op: 'forget'; readonly fields?: readonly string[] | undefined }
);

/** What a write finds. */
export interface Found {
  readonly kind: Kind;
  readonly base: Base | undefined;
  readonly row: Row | undefined;
  /** What base and row make. */
  readonly entity: Entity | undefined;
  /** Whether a base that is not seen here may exist elsewhere, in the config of another node. */
  readonly shared: boolean;
}

/**
 * Returns the row after a write; undefined: none. Throws NOT_FOUND if there is nothing to change, INPUT_INVALID if the
 * result would not be valid.
 */
export function rowAfter(write: Write, found: Found, mark: Mark): Row | undefined {
  const { entity, base, row } = found;
  switch (write.op) {
    case 'remove':
      // Even one that cannot be used can be removed.
      if (found.kind.isWhole === true && (row ?? entity) !== undefined) return withoutWhole(write, found);
      if (entity === undefined) throw nothingThere(write, found);
      return base === undefined && !found.shared
        ? undefined
        : { ...identityOf(write), op: 'remove', ...mark };
    case 'forget':
      if (row === undefined) return undefined;
      if (row.op === 'define' && base === undefined) {
        throw new WeldrError(
          'INPUT_INVALID',
          `override: neither config nor discovery knows ${found.kind.describe(row.key)}; without it nothing would be left: remove it instead`,
          { field: 'override' },
        );
      }
      return write.fields === undefined ? undefined : withoutFields(row, write.fields, found);
    case 'patch':
      if (entity === undefined) throw nothingThere(write, found);
      return changed(write, write.value, found, mark);
    case 'add':
      return changed(write, write.value, found, mark);
    case 'put':
      return replaced(write, write.value, found, mark);
  }
}

/** Returns the row of a thing with these fields; its other fields stay as they are. */
function changed(write: Write, given: unknown, found: Found, mark: Mark): Row | undefined {
  const { kind, base, row, entity } = found;
  if (!isObject(given)) {
    throw new WeldrError('INPUT_INVALID', 'expected an object with the fields to set, such as {"weight": 2}');
  }
  const below = entity?.value ?? base?.value;
  const wanted = kind.parse(write.key, below === undefined ? given : mergePatch(below, given));
  keepIdentity(kind, below, wanted);
  if (base === undefined || kind.isWhole === true || entity?.row?.op === 'define')
    return defined(write, wanted, found, mark);
  const patch = row?.op === 'patch' ? row : undefined;
  const value = amendPatch(patch?.value ?? {}, given, { base: base.value, wanted });
  return patched(write, value, Object.keys(given), patch, mark);
}

/** Returns the row of a thing with exactly these fields; for a patch of a base, fields left out keep the base's value. */
function replaced(write: Write, given: unknown, found: Found, mark: Mark): Row | undefined {
  const { kind, base, row, entity } = found;
  if (base === undefined || kind.isWhole === true || entity?.row?.op === 'define') {
    return defined(write, kind.parse(write.key, given), found, mark);
  }
  const wanted = kind.parse(write.key, kind.putIsWhole === true ? given : mergePatch(base.value, given));
  keepIdentity(kind, base.value, wanted);
  const value =
    kind.putIsWhole === true
      ? patchBetween(base.value, wanted)
      : amendPatch({}, isObject(given) ? given : {}, { base: base.value, wanted });
  return patched(write, value, Object.keys(value ?? {}), row?.op === 'patch' ? row : undefined, mark);
}

/** Removes it for good, or refuses: a base would remain. */
function withoutWhole({ key }: Write, { base, kind }: Found): undefined {
  if (base === undefined) return undefined;
  throw new WeldrError(
    'CONFLICT',
    `the ${base.layer} has the ${kind.name} ${key}: remove it there; ?override removes what was put over it`,
  );
}

function defined(write: Write, value: JsonObject, { kind, row }: Found, mark: Mark): Row {
  const before = row?.op === 'define' ? row : undefined;
  const later = Object.entries(before?.value ?? {}).filter(([name]) => !kind.knows(name));
  return {
    ...before,
    ...identityOf(write),
    op: 'define',
    value: { ...Object.fromEntries(later), ...value },
    ...mark,
  };
}

function patched(
  write: Write,
  value: JsonObject | undefined,
  set: readonly string[],
  before: Row | undefined,
  mark: Mark,
): Row | undefined {
  if (value === undefined) return undefined;
  const marks = Object.keys(value).flatMap(name => {
    const known = before === undefined || set.includes(name) ? undefined : (before.marks?.[name] ?? before);
    return known === undefined ? [] : [[name, { by: known.by, at: known.at }] as const];
  });
  // What a later version added to the row stays; the marks of the fields are made again.
  const { marks: _, ...kept }: Partial<Row> = before ?? {};
  return {
    ...kept,
    ...identityOf(write),
    op: 'patch',
    value,
    ...mark,
    ...(marks.length > 0 && { marks: Object.fromEntries(marks) }),
  };
}

function withoutFields(row: Row, fields: readonly string[], { kind, base }: Found): Row | undefined {
  if (row.op !== 'patch') {
    if (row.op === 'define' && base !== undefined) return undefined;
    throw new WeldrError(
      'INPUT_INVALID',
      `override: ${kind.describe(row.key)} has no overridden fields; forget all of it`,
      { field: 'override' },
    );
  }
  const left = Object.entries(row.value ?? {}).filter(([name]) => !fields.includes(name));
  if (left.length === 0) return undefined;
  const value = Object.fromEntries(left);
  if (base !== undefined) kind.read(row.key, mergePatch(base.value, value), () => {});
  return { ...row, value };
}

function keepIdentity({ identity }: Kind, before: JsonObject | undefined, after: JsonObject): void {
  if (before === undefined) return;
  for (const field of identity) {
    if (before[field] === after[field]) continue;
    throw new WeldrError('INPUT_INVALID', `${field}: it cannot be changed; add the new one, remove the old`, {
      field,
    });
  }
}

const identityOf = ({ kind, key }: Write) => ({ kind, key });

function nothingThere({ key }: Write, { kind }: Found): WeldrError {
  return new WeldrError('NOT_FOUND', `there is no ${kind.describe(key)}`);
}
