// Where something was thrown: the first place in its stack that is in nobody's package, but in what the user wrote.
import { fileURLToPath } from 'node:url';
import { stackOf } from './errors.ts';

/** Weldr itself, as sources and as built. */
const ownFolders = ['core/', 'config/', 'plugins/', 'bin/'].map(
  folder => new URL(`../${folder}`, import.meta.url).href,
);

/** A place in a file, from 1. */
export interface ThrownAt {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The place in the user's own files where it was thrown; undefined: not known, or not there. */
export function thrownAt(thrown: unknown): ThrownAt | undefined {
  const frames = (stackOf(thrown) ?? '').matchAll(/(file:\/\/[^\s()]+?):(\d+):(\d+)\)?$/gm);
  for (const [, url = '', line, column] of frames) {
    if (url.includes('/node_modules/') || ownFolders.some(folder => url.startsWith(folder))) continue;
    return { file: fileURLToPath(url), line: Number(line), column: Number(column) };
  }
  return undefined;
}
