// Checks values against JSON schemas (draft 2020-12), strictly: a keyword that the validator does not know is an error.
import { Ajv2020 } from 'ajv/dist/2020.js';

const validator = new Ajv2020({ strictTypes: false, validateFormats: false, logger: false });
// The part of an OpenAPI description that its schemas refer to.
validator.addKeyword('components');

/** Returns the first problem of a value; none: the value is valid. */
export function problemsOf(schema: object, value: unknown): string[] {
  if (validator.validate(schema, value)) return [];
  return (validator.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
}
