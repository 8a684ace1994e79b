// Reads what a later version may have written: leaves out fields that a schema does not know, and names them.
import type { z } from 'zod';
import { WeldrError } from '../errors.ts';
import { parse } from '../options/options.ts';
import { isObject, plainJson } from './merge-patch.ts';

/** Returns a JSON value as the schema parses it. Throws INPUT_INVALID for anything wrong apart from unknown fields. */
export function parseKnown(schema: z.ZodType, value: unknown, ignored: (field: string) => void): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const unknown = result.error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys' ? issue.keys.map(key => [...issue.path, key]) : [],
  );
  if (unknown.length === 0) return parse(schema, value, 'INPUT_INVALID');
  const known: unknown = structuredClone(value);
  for (const path of unknown) {
    drop(known, path);
    ignored(path.join('.'));
  }
  return parse(schema, known, 'INPUT_INVALID');
}

/** Returns an object as a schema parses it, as JSON. Throws INPUT_INVALID. */
export function parseObject(schema: z.ZodType, value: unknown) {
  return expectObject(plainJson(parse(schema, value, 'INPUT_INVALID')));
}

/** Throws INPUT_INVALID for anything but an object. */
export function expectObject(value: unknown) {
  if (isObject(value)) return value;
  throw new WeldrError('INPUT_INVALID', 'expected an object');
}

function drop(value: unknown, [name, ...rest]: readonly PropertyKey[]): void {
  if (typeof value !== 'object' || value === null || name === undefined) return;
  if (rest.length === 0) Reflect.deleteProperty(value, name);
  else drop(Reflect.get(value, name), rest);
}
