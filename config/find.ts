// Finding the config file.
import { resolve } from 'node:path';
import { WeldrError } from '../core/errors.ts';

/** The names that are looked for, in this order. */
export const searchPlaces = [
  'weldr.config.ts',
  'weldr.config.mts',
  'weldr.config.js',
  'weldr.config.mjs',
  'weldr.config.json',
  'weldr.config.yaml',
  'weldr.config.yml',
] as const;

/**
 * The absolute path of the config: `file` if one is given, else the first of {@link searchPlaces} in `folder`. Throws
 * CONFIG_INVALID when there is none.
 */
export async function findConfig(file: string | undefined, folder = process.cwd()): Promise<string> {
  if (file !== undefined) return resolve(folder, file);
  // A start that names its config need not load it.
  const { cosmiconfig } = await import('cosmiconfig');
  // Found is enough here: it is read when it is loaded.
  const found = (): object => ({});
  const explorer = cosmiconfig('weldr', {
    searchPlaces: [...searchPlaces],
    loaders: {
      '.ts': found,
      '.mts': found,
      '.js': found,
      '.mjs': found,
      '.json': found,
      '.yaml': found,
      '.yml': found,
    },
    searchStrategy: 'none',
    ignoreEmptySearchPlaces: false,
    cache: false,
  });
  const result = await explorer.search(folder);
  if (result !== null) return result.filepath;
  throw new WeldrError(
    'CONFIG_INVALID',
    `there is no config in ${folder}: make a ${searchPlaces[0]}, or name one with --config FILE`,
  );
}
