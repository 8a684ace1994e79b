// Where an error was thrown: the first place in its stack that is in the user's own files, not in a package.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { stackOf } from '../errors.ts';
import { isOwnModule } from '../package/own-modules.ts';

/** A place in a file; lines and columns count from 1. */
export interface ThrownAt {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The place in the user's own files where an error was thrown; undefined: unknown, or not in these files. */
export function thrownAt(thrown: unknown): ThrownAt | undefined {
  return frames(thrown).find(({ file }) => !file.includes('/node_modules/'));
}

/** The place where an error was thrown, which may be in a package that the user installed. */
export function thrownAnywhere(thrown: unknown): ThrownAt | undefined {
  return frames(thrown)[0];
}

/** A stack without the frames of Weldr and Node. */
function frames(thrown: unknown): ThrownAt[] {
  const found: ThrownAt[] = [];
  const stack = stackOf(thrown) ?? '';
  for (const [, at = '', line, column] of stack.matchAll(
    /(?:\(|at )((?:file:\/\/|\/).+?):(\d+):(\d+)\)?$/gm,
  )) {
    const url = at.startsWith('/') ? pathToFileURL(at).href : at;
    if (isOwnModule(url)) continue;
    found.push({ file: fileURLToPath(url), line: Number(line), column: Number(column) });
  }
  return found;
}
