// BoundedFile: reads a whole file, unless it is not a regular file, is too long, or changes meanwhile.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf } from '../../core/errors/error-code.ts';
import { toError } from '../../core/errors.ts';

/** What was read. */
export type FileReading =
  | { readonly kind: 'read'; readonly text: string; readonly version: string }
  /** It is unchanged. */
  | { readonly kind: 'same' }
  /** It changed while it was read: it is being written. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'failed'; readonly why: string };

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'the file does not exist',
  EACCES: 'Weldr may not read the file',
  EISDIR: 'it is a folder',
  ELOOP: 'its links form a cycle',
};

/** Reads a file unless its version is still `known`. Never rejects. */
export async function readBounded(
  path: string,
  maxBytes: number,
  known: string | undefined,
): Promise<FileReading> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await handle.stat();
    if (!facts.isFile()) return { kind: 'failed', why: 'it is not a regular file' };
    const version = await versionOf(handle);
    if (version === known) return { kind: 'same' };
    const bytes = await readUpTo(handle, maxBytes + 1);
    if (bytes.length > maxBytes) {
      return { kind: 'failed', why: `it is longer than maxSize (${maxBytes} bytes)` };
    }
    if ((await versionOf(handle)) !== version) return { kind: 'unsettled' };
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { kind: 'read', text, version };
  } catch (thrown) {
    const code = codeOf(thrown);
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : reasons[code];
    return { kind: 'failed', why: why ?? toError(thrown).message };
  } finally {
    await handle?.close();
  }
}

/** Differs after each change, including a rename over the file and a switched link. */
async function versionOf(handle: FileHandle): Promise<string> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await handle.stat({ bigint: true });
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

async function readUpTo(handle: FileHandle, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < most) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(65_536, most - length)));
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  return Buffer.concat(chunks);
}
