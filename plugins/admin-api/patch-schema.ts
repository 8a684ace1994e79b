// PatchSchema: the schema of a merge patch (RFC 7396), for the description of the API: any of the fields, or null.
import { z } from 'zod';

/** Returns a schema of the names; values are checked when the patch is merged. `fixed` names cannot be patched. */
export function patchOf({ shape }: z.ZodObject, fixed: readonly string[] = []): z.ZodType {
  const names = Object.keys(shape).filter(name => !fixed.includes(name));
  const described = names.map(name => [name, z.unknown().optional().describe(descriptionOf(shape[name]))]);
  return z.strictObject(Object.fromEntries(described));
}

const descriptionOf = (field: unknown): string =>
  field instanceof z.ZodType ? (field.description ?? '') : '';
