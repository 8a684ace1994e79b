// JSON schemas of zod schemas, for editors, with descriptions, defaults and examples.
import { z } from 'zod';

/** A JSON schema of draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.JSONSchema;

/**
 * The JSON schema of what a zod schema takes. Checks in code are left out, so it accepts a little more than the zod
 * schema. `meta({ shorterAs: 'url' })` on a schema allows its `url` alone to stand for the whole.
 *
 * @throws Error for a schema that JSON schema cannot express, such as `z.custom` or a flag of a pattern
 */
export function toJsonSchema(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: 'input',
    target: 'draft-2020-12',
    override({ zodSchema, jsonSchema }) {
      refuseFlags(zodSchema);
      allowShorter(jsonSchema);
      joinTypes(jsonSchema);
    },
  });
}

/** A pattern of JSON schema has no flags, and would have another meaning without them. */
function refuseFlags(schema: z.core.$ZodType): void {
  for (const check of schema._zod.def.checks ?? []) {
    const { def } = check._zod;
    if ('pattern' in def && def.pattern instanceof RegExp && /[imsv]/.test(def.pattern.flags)) {
      throw new Error(`JSON schema cannot express the flags of ${def.pattern}`);
    }
  }
}

/** Where one part of an object may stand for the whole, turns the schema into a choice of the two. */
function allowShorter(json: JsonSchema): void {
  const { shorterAs, id, title, description, examples, default: value, ...whole } = json;
  delete json['shorterAs'];
  // A copy of a schema that was processed here has the mark again.
  if (typeof shorterAs !== 'string' || json.anyOf !== undefined) return;
  const short = shorterAs === 'items' ? json.items : json.properties?.[shorterAs];
  if (typeof short !== 'object' || Array.isArray(short)) throw new Error(`there is no ${shorterAs}`);
  for (const key of Object.keys(whole)) delete json[key];
  json.anyOf = [short, whole];
}

/** Joins a choice of types in one schema, which editors explain better: `"type": ["string", "integer"]`. */
function joinTypes(json: JsonSchema): void {
  const { anyOf = [] } = json;
  const types = anyOf.map(({ type }) => type);
  const areApart = types.every(type => type !== undefined) && new Set(types).size === types.length;
  const isPlain = anyOf.every(
    ({ enum: values, const: value }) => values === undefined && value === undefined,
  );
  const isScalar = types.every(type => type === 'string' || type === 'integer' || type === 'number');
  if (anyOf.length < 2 || !areApart || !isPlain || !isScalar || json.type !== undefined) return;
  delete json.anyOf;
  Object.assign(json, ...anyOf, { ...json, type: types });
}
