// Entity: what the layers make of one thing: the base, with an operator's row over it.
import { createHash } from 'node:crypto';
import { describeError } from '../errors.ts';
import type { Layer, OperatorLayer } from './layer.ts';
import { type JsonObject, mergePatch, stableJson } from './merge-patch.ts';
import type { Row } from './row.ts';

/** What a layer below the operator's says of a thing, whole. */
export interface Base {
  readonly value: JsonObject;
  /** `config`, or `discovered:NAME`. */
  readonly layer: Layer;
}

/** One sort of thing that changes at run time. */
export interface Kind {
  readonly name: string;
  /** Fields that tell one from another: no patch may change them. */
  readonly identity: readonly string[];
  /** Fields that are not shown, nor logged. */
  readonly secret: readonly string[];
  /** Is an operator's word always a whole thing? Then no row patches a base, and none keeps one away. */
  readonly isWhole?: boolean;
  /** Does a put say all fields, also over a base? Else what it leaves out is the base's. */
  readonly putIsWhole?: boolean;
  /** Can there be a thing of this key? */
  isKey(key: string): boolean;
  /** Is it a field that this version knows? */
  knows(field: string): boolean;
  /** For people: `server http://10.0.0.5:3000 of pool default`. */
  describe(key: string): string;
  /** For how long a row of this value stands unless it is written again, ms; undefined: for good. */
  lifetime(value: JsonObject): number | undefined;
  /** A whole entity, checked, defaults filled in, as JSON. Throws INPUT_INVALID. */
  parse(key: string, value: unknown): JsonObject;
  /** The same for what is stored: fields that this version does not know are left out, and named to `ignored`. */
  read(key: string, value: unknown, ignored: (field: string) => void): JsonObject;
}

/** What is in force of a thing. */
export interface Entity {
  readonly value: JsonObject;
  /** Of what defines it: `config`, `discovered:NAME`, or the operator's: `api`, `cluster`. */
  readonly layer: Layer;
  /** The operator's row that has a part in it. */
  readonly row: Row | undefined;
  /** What is below that row. */
  readonly base: Base | undefined;
}

/** What is to be said about a row that cannot be used as it is. */
export type ReportRow = (problem: string) => void;

/** The entity that a base and a row give; undefined: there is none. A row that cannot be used is as if it were not there. */
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
    const instead = base === undefined ? 'it has no effect' : `what the ${base.layer} says is in force`;
    report(`cannot be used (${describeError(thrown).replaceAll('\n', ', ').slice(0, 300)}): ${instead}`);
    return below;
  }
}

/** The strong entity-tag (RFC 9110 section 8.8.3) of what is in force of a thing. */
export function etagOf({ value }: Pick<Entity, 'value'>): string {
  const hash = createHash('sha256').update(stableJson(value)).digest('base64url');
  return `"${hash.slice(0, 22)}"`;
}

/** A field that an operator changed, as `overrides` shows it. */
export interface Override {
  /** What is in force; left out where it is secret, as is what is below. */
  readonly value?: unknown;
  /** What the config says, where the config is what is below. */
  readonly config?: unknown;
  /** What a source found, where that is what is below. */
  readonly discovered?: unknown;
  readonly by: string;
  readonly at: number;
}

/** The fields of a base that an operator changed, by name; none: the operator's whole entity, or no word of theirs. */
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

/** Does an operator's whole entity stand over a base, which has no effect then? The layer of that. */
export function shadowedBy({ row, base }: Entity): Layer | undefined {
  return row?.op === 'define' ? base?.layer : undefined;
}
