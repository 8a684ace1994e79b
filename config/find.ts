// Finding the config file.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WeldrError } from '../core/errors.ts';

/** The file names to look for, in this order. */
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
 * Returns the absolute path of the config: `file` if given, else the first of {@link searchPlaces} in `folder`. Throws
 * CONFIG_INVALID when there is none.
 */
export function findConfig(file: string | undefined, folder = process.cwd()): string {
  if (file !== undefined) return resolve(folder, file);
  // An unreadable file is found too: reading it reports why.
  const found = searchPlaces.map(name => join(folder, name)).find(path => existsSync(path));
  if (found !== undefined) return found;
  throw new WeldrError(
    'CONFIG_INVALID',
    `there is no config in ${folder}: create one with weldr init, or name one with --config FILE`,
  );
}
