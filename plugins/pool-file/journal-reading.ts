// JournalReading: reads the file of a journal and reports what is wrong with it.
import { readFile } from 'node:fs/promises';
import { describeError, WeldrError } from '../../core/errors.ts';
import type { Row } from '../../core/state/row.ts';
import { errorCode, followLinks, invalidPath, remedy } from './durable-file.ts';
import { JournalContents, type JournalFindings } from './journal-contents.ts';

/**
 * Returns empty contents to read a journal into; `now`, ms since the epoch, is the time of entries that an earlier version
 * left undated.
 */
export function noContents(now: number): JournalContents {
  return new JournalContents({ by: 'an earlier version', at: now });
}

/** Resolves with the bytes of a journal; undefined: there is no file. Rejects with STORE_UNAVAILABLE or CONFIG_INVALID. */
export async function readBytes(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    if (errorCode(thrown) === 'EISDIR')
      throw invalidPath(path, 'it is a directory; give poolFile the path of a file in it');
    throw new WeldrError(
      'STORE_UNAVAILABLE',
      `${path} cannot be read (${describeError(thrown)}): ${remedy(thrown)}`,
      { cause: thrown },
    );
  }
}

/**
 * Applies the bytes of the journal at `path`. Throws STORE_DAMAGED when a newer Weldr wrote it, CONFIG_INVALID when the file
 * is not Weldr's.
 */
export function readInto(contents: JournalContents, bytes: Buffer, path: string): JournalFindings {
  let found: JournalFindings;
  try {
    found = contents.read(bytes);
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    throw new WeldrError(thrown.code, `${path} cannot be used: ${thrown.message}`, { cause: thrown });
  }
  if (!found.isForeign) return found;
  throw invalidPath(path, "the file there is not Weldr's; move it away, or give poolFile another path");
}

/** Reads a journal that another process may be writing: takes no lock and changes nothing. */
export async function peek(path: string): Promise<readonly Row[]> {
  const target = await followLinks(path);
  const bytes = await readBytes(target);
  if (bytes === undefined) return [];
  const contents = noContents(Date.now());
  readInto(contents, bytes, target);
  return contents.stored;
}
