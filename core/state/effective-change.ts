// EffectiveChange: what has changed in the active state, field by field, and who caused it: one log line each.
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from './merge-patch.ts';
import type { Mark } from './row.ts';

/** One change of an active entity. */
export interface EffectiveChange {
  /** For people, its kind and its key: `server http://10.0.0.5:3000 in pool default`. */
  readonly what: string;
  readonly happened: 'added' | 'changed' | 'removed';
  /** Undefined: the whole thing came or went. */
  readonly field: string | undefined;
  /** Undefined: there was none, or the field is secret. */
  readonly from: unknown;
  readonly to: unknown;
  readonly by: string;
  /** The sentence. */
  readonly text: string;
}

/** The most characters of a value in a sentence. */
const maxShown = 100;

/** Returns the changes from one value of a thing to the next; undefined: it did not, or does not, exist. */
export function changesBetween(
  what: string,
  { before, after }: { readonly before: JsonObject | undefined; readonly after: JsonObject | undefined },
  secret: readonly string[],
  { by }: Pick<Mark, 'by'>,
): EffectiveChange[] {
  if (before === undefined || after === undefined) {
    if (before === after) return [];
    const [happened, verb] =
      before === undefined ? (['added', 'is new'] as const) : (['removed', 'is removed'] as const);
    const text = `${what} ${verb}, by ${by}`;
    return [{ what, happened, field: undefined, from: undefined, to: undefined, by, text }];
  }
  if (before === after) return [];
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes: EffectiveChange[] = [];
  for (const field of names) {
    const [from, to] = [before[field], after[field]];
    if (isDeepStrictEqual(from, to)) continue;
    const text = secret.includes(field)
      ? `${what}: ${field} changed, by ${by}`
      : `${what}: ${field} from ${show(from)} to ${show(to)}, by ${by}`;
    const values = secret.includes(field) ? { from: undefined, to: undefined } : { from, to };
    changes.push({ what, happened: 'changed', field, ...values, by, text });
  }
  return changes;
}

function show(value: unknown): string {
  return value === undefined ? 'none' : (JSON.stringify(value) ?? 'none').slice(0, maxShown);
}
