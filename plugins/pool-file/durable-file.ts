// DurableFile: files that are replaced atomically, written whole and synced; and the remedies for system errors.
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { describeError, WeldrError } from '../../core/errors.ts';

/** The most bytes written by one system call. */
const pieceSize = 1024 * 1024;

/** Resolves symbolic links in a path: a rename over a link would replace the link. */
export async function followLinks(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (thrown) {
    if (errorCode(thrown) !== 'ENOENT') throw invalidPath(absolute, describeError(thrown));
  }
  try {
    return join(await realpath(dirname(absolute)), basename(absolute));
  } catch (thrown) {
    throw invalidPath(absolute, `its directory cannot be found (${describeError(thrown)}); create it first`);
  }
}

/** The error for a path that cannot hold the journal. */
export function invalidPath(path: string, why: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `the pool cannot be kept in ${path}: ${why}`, { field: 'path' });
}

/** Writes all of `bytes` at a position of the file; a system call may write only a part. */
export async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Joins texts to buffers of about {@link pieceSize}. */
function* pieces(texts: Iterable<string>): Generator<Buffer> {
  let joined = '';
  for (const text of texts) {
    joined += text;
    if (joined.length < pieceSize) continue;
    yield Buffer.from(joined);
    joined = '';
  }
  if (joined !== '') yield Buffer.from(joined);
}

/**
 * Replaces the file at `path` by one with these lines, which is written under another name, synced and renamed, so that a complete
 * file exists at every moment. Resolves with the new file, open for writing. The rename is durable after {@link syncDirectory}.
 */
export async function replaceFile(
  path: string,
  lines: Iterable<string>,
): Promise<{ file: FileHandle; length: number }> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, 'wx', 0o600);
  let length = 0;
  try {
    for (const piece of pieces(lines)) {
      await writeAll(file, piece, length);
      length += piece.length;
    }
    await file.sync();
    await rename(draft, path);
    return { file, length };
  } catch (thrown) {
    await file.close();
    await rm(draft, { force: true });
    throw thrown;
  }
}

/** Syncs a directory, which makes renames in it durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Remedies for system errors, by code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on its disk',
  EDQUOT: 'free some space or raise the quota',
  EROFS: 'mount its file system writable, or give poolFile another path',
  EACCES: "let Weldr's user read and write the file and its directory, or give poolFile another path",
  EPERM: "let Weldr's user read and write the file and its directory, or give poolFile another path",
  EIO: 'check the disk',
};

/** Returns what an operator can do about a file system error. */
export function remedy(thrown: unknown): string {
  return remedies[errorCode(thrown) ?? ''] ?? 'check the disk and the path, or give poolFile another path';
}

/** The system's code of an error, such as ENOSPC. */
export function errorCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}
