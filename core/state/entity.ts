// Entity: what the layers make of one thing: the base, with an operator's row over it.
import { createHash } from 'node:crypto';
import { describeError } from '../errors.ts';
import type { Layer, OperatorLayer } from './layer.ts';
import { type JsonObject, mergePatch, stableJson } from './merge-patch.ts';
import type { Row } from './row.ts';

/** The whole of what a layer below the operator's says about a thing. */
export interface Base {
  readonly value: JsonObject;
  /** `config`, or `discovered:NAME`. */
  readonly layer: Layer;
}

/** A sort of thing that changes at run time. */
export interface Kind {
  readonly name: string;
  /** Fields that identify a thing: no patch may change them. */
  readonly identity: readonly string[];
  /** Fields that are neither shown nor logged. */
  readonly secret: readonly string[];
  /** Whether an operator's row always holds a whole thing. If so, no row patches or removes a base. */
  readonly isWhole?: boolean;
  /** Whether a put sets all fields, even over a base. Otherwise fields that it leaves out keep the base's value. */
  readonly putIsWhole?: boolean;
  /** Returns whether a thing can have this key. */
  isKey(key: string): boolean;
  /** Returns whether this version knows the field. */
  knows(field: string): boolean;
  /** For people: `server http://10.0.0.5:3000 of pool default`. */
  describe(key: string): string;
  /** How long a row of this value lasts unless it is written again, ms; undefined: forever. */
  lifetime(value: JsonObject): number | undefined;
  /** Returns a whole entity, checked, with defaults filled in, as JSON. Throws INPUT_INVALID. */
  parse(key: string, value: unknown): JsonObject;
  /** The same for a stored value: leaves out fields that this version does not know, and calls `ignored` with each. */
  read(key: string, value: unknown, ignored: (field: string) => void): JsonObject;
}

/** The active state of a thing. */
export interface Entity {
  readonly value: JsonObject;
  /** The layer that defines it: `config`, `discovered:NAME`, or the operator's: `api`, `cluster`. */
  readonly layer: Layer;
  /** The operator's row that contributes to it. */
  readonly row: Row | undefined;
  /** What is below that row. */
  readonly base: Base | undefined;
}

/** Receives a problem of a row that cannot be used as it is. */
export type ReportRow = (problem: string) => void;

/** Returns the entity that a base and a row make; undefined: there is none. A row that cannot be used is ignored. */
export function effective(
  kind: Kind,
  {
    base,
    row,
    layer,
    report,
  }: { base: Base | undefined; row: Row | undefined; layer: OperatorLayer; report: ReportRow },
): Entity | undefined {
  const below =
    base === undefined ? undefined : { value: base.value, layer: base.layer, row: undefined, base };
  if (row === undefined) return below;
  if (row.op === 'remove') return undefined;
  if (row.op === 'patch' && base === undefined) return undefined;
  try {
    const whole = row.op === 'define' ? row.value : mergePatch(base?.value, row.value ?? {});
    const value = kind.read(row.key, whole, field =>
      report(`${field} is not known to this version: it is kept and has no effect`),
    );
    return { value, layer: row.op === 'define' ? layer : (base?.layer ?? layer), row, base };
  } catch (thrown) {
    const instead = base === undefined ? 'it has no effect' : `the value from ${base.layer} is used instead`;
    report(`cannot be used (${describeError(thrown).replaceAll('\n', ', ').slice(0, 300)}): ${instead}`);
    return below;
  }
}

/** Returns the strong entity-tag (RFC 9110 section 8.8.3) of an entity. */
export function etagOf({ value }: Pick<Entity, 'value'>): string {
  const hash = createHash('sha256').update(stableJson(value)).digest('base64url');
  return `"${hash.slice(0, 22)}"`;
}

/** A field that an operator changed, as `overrides` shows it. */
export interface Override {
  /** The active value; left out if it is secret, as is the value below. */
  readonly value?: unknown;
  /** The config's value, if the base is the config's. */
  readonly config?: unknown;
  /** The value that a source found, if the base is a source's. */
  readonly discovered?: unknown;
  readonly by: string;
  readonly at: number;
}

/** Returns the fields of a base that an operator changed, by name; none if the entity is wholly the operator's or wholly the base's. */
export function overridesOf(
  kind: Pick<Kind, 'secret'>,
  { value, row, base }: Entity,
): Readonly<Record<string, Override>> {
  if (row?.op !== 'patch' || base === undefined) return {};
  const below = base.layer === 'config' ? 'config' : 'discovered';
  const fields = Object.keys(row.value ?? {}).map(name => {
    const { by, at } = row.marks?.[name] ?? row;
    if (kind.secret.includes(name)) return [name, { by, at }] as const;
    return [name, { value: value[name] ?? null, [below]: base.value[name] ?? null, by, at }] as const;
  });
  return Object.fromEntries(fields);
}

/** Returns the layer of a base that an operator's whole entity hides; undefined: it hides none. */
export function shadowedBy({ row, base }: Entity): Layer | undefined {
  return row?.op === 'define' ? base?.layer : undefined;
}
