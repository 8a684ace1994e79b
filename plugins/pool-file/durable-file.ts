// Files that survive: replaced atomically, written whole, synced; and what to do when the system says no.
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { describeError, WeldrError } from '../../core/errors.ts';

/** The most bytes that are handed to the system at once. */
const pieceSize = 1024 * 1024;

/** The path with symbolic links followed: a rename over a link would replace it. */
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
    throw invalidPath(absolute, `its directory cannot be found (${describeError(thrown)}); make it first`);
  }
}

/** The error for a path that cannot hold the pool. */
export function invalidPath(path: string, why: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `the pool cannot be kept in ${path}: ${why}`, { field: 'path' });
}

/** Writes all of `bytes` at a position of the file; one write of the system may take only a part. */
export async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Texts joined to buffers of about {@link pieceSize}. */
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
 * Puts a file of these lines in place of the one at `path`: written aside, synced, renamed, so that there is a
 * complete one at every moment. Answers it open for writing. The rename is durable after {@link syncDirectory}.
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

/** Makes a rename durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** What to do about an error of the system, by its code. */
const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space on its disk',
  EDQUOT: 'free some space or raise the quota',
  EROFS: 'mount its file system writable, or give poolFile another path',
  EACCES: "let Weldr's user read and write the file and its directory, or give poolFile another path",
  EPERM: "let Weldr's user read and write the file and its directory, or give poolFile another path",
  EIO: 'check the disk',
};

/** What an operator can do about an error of the file system. */
export function remedy(thrown: unknown): string {
  return remedies[errorCode(thrown) ?? ''] ?? 'check the disk and the path, or give poolFile another path';
}

/** The system's code of an error, such as ENOSPC. */
export function errorCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
    ? thrown.code
    : undefined;
}
