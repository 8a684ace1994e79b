// Folders with config files, and the errors for configs that cannot be loaded from them.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { makeFolder } from '../support/weldr.ts';
import { rejectionOf } from '../support/weldr-error.ts';

/** Texts by the names of their files. */
export type Files = Readonly<Record<string, string>>;

/** Calls `use` with a folder of these files, which is removed afterwards. */
export async function inFolder<T>(files: Files, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = makeFolder();
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns the message of the CONFIG_INVALID that the load of the file `name` fails with; $D is its folder. */
export async function refusal(name: string, files: Files): Promise<string> {
  return await inFolder(files, async folder => {
    const error = await rejectionOf(loadConfig(join(folder, name), {}));
    if (error.code !== 'CONFIG_INVALID') throw error;
    return error.message.replaceAll(folder, '$D');
  });
}
