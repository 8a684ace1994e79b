// JSON merge patch (RFC 7396): applies patches, and makes patches that hold exactly what was changed.
import { isDeepStrictEqual } from 'node:util';

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Returns whether a value is an object and not an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns `target` with `patch` applied: objects are merged, null removes, everything else replaces. Changes neither. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

/** Returns the smallest patch that turns `before` into `after`; undefined: they are the same. Neither holds null. */
export function patchBetween(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const patch = new Map<string, unknown>();
  for (const name of Object.keys(before)) if (!Object.hasOwn(after, name)) patch.set(name, null);
  for (const [name, value] of Object.entries(after)) {
    const known = before[name];
    if (isDeepStrictEqual(known, value)) continue;
    patch.set(name, isObject(known) && isObject(value) ? patchBetween(known, value) : value);
  }
  return patch.size === 0 ? undefined : Object.fromEntries(patch);
}

/**
 * Returns `patch` after a change that set the fields of `given`, such that `base` with the patch makes `wanted`: fields
 * that were set to the base's value are dropped, fields that were not touched stay. Undefined: nothing is left.
 */
export function amendPatch(
  patch: JsonObject,
  given: JsonObject,
  { base, wanted }: { readonly base: JsonObject; readonly wanted: JsonObject },
): JsonObject | undefined {
  const amended = new Map<string, unknown>(Object.entries(patch));
  for (const [name, value] of Object.entries(given)) {
    const [known, before, after] = [patch[name], base[name], wanted[name]];
    let part: unknown;
    if (isObject(value) && isObject(before) && isObject(after) && (known === undefined || isObject(known))) {
      part = amendPatch(known ?? {}, value, { base: before, wanted: after });
    } else part = patchBetween({ part: before ?? null }, { part: after ?? null })?.['part'];
    if (part === undefined) amended.delete(name);
    else amended.set(name, part);
  }
  return amended.size === 0 ? undefined : Object.fromEntries(amended);
}

/** Returns the value after a round trip through JSON: without undefined fields. */
export function plainJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Returns JSON with the fields of all objects sorted, so that equal values have equal text. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    if (!isObject(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
