// `weldr schema`: the JSON schema of .json and .yaml configs.
import { writeFile } from 'node:fs/promises';
import { builtInPlugins } from '../../config/built-in-plugins.ts';
import { configJsonSchema } from '../../core/config/config-json-schema.ts';
import { describeError } from '../../core/errors.ts';
import { CommandError } from '../command-error.ts';

/** Returns the schema, or where it was written. */
export async function printSchema(file: string | undefined): Promise<string> {
  const schema = JSON.stringify(configJsonSchema(await builtInPlugins()), undefined, 2);
  if (file === undefined) return schema;
  try {
    await writeFile(file, `${schema}\n`);
  } catch (thrown) {
    throw new CommandError(`cannot write ${file}: ${describeError(thrown)}`);
  }
  return `written to ${file}`;
}
