// The file with the key that encrypts TLS keys.
import { randomBytes } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeError, WeldrError } from '../errors.ts';
import { secretKeyLength } from './sealed-store.ts';

/** The mode bits that let users other than the owner read or write. */
const openToOthers = 0o077;

/**
 * Reads the key from a file: 32 bytes in base64. `missing`: what to do when the file does not exist. Rejects with
 * CONFIG_INVALID for a file that holds no key, cannot be read, or can be read by users other than its owner.
 */
export async function readKeyFile(path: string, missing: 'make' | 'refuse'): Promise<Buffer> {
  try {
    return await readKey(path);
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
    if (isMissing && missing === 'make') return await makeKey(path);
    const remedy = isMissing ? '; make one with: (umask 077; openssl rand -base64 32 > FILE)' : '';
    throw invalid(path, `cannot be read (${describeError(thrown)})${remedy}`);
  }
}

/** Rejects as {@link readKeyFile} would with `make`, as far as that can be found out without creating anything. */
export async function checkKeyFile(path: string): Promise<void> {
  try {
    await readKey(path);
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
    if (!isMissing) throw invalid(path, `cannot be read (${describeError(thrown)})`);
    const folder = dirname(path);
    await stat(folder).catch(error => {
      throw invalid(path, `cannot be made (${describeError(error)}); make the folder ${folder} first`);
    });
  }
}

async function readKey(path: string): Promise<Buffer> {
  const [text, { mode }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
  if ((mode & openToOthers) !== 0) throw invalid(path, 'can be read by others: run chmod 600 on it');
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== secretKeyLength) {
    throw invalid(
      path,
      `holds no key: expected ${secretKeyLength} bytes in base64, as openssl rand -base64 32 makes them`,
    );
  }
  return key;
}

async function makeKey(path: string): Promise<Buffer> {
  const key = randomBytes(secretKeyLength);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${key.toString('base64')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (thrown) {
    throw invalid(
      path,
      `cannot be made (${describeError(thrown)}); let this user write to ${dirname(path)}, or name another file`,
    );
  }
  return key;
}

function invalid(path: string, why: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `keyFile: ${path} ${why}`, { field: 'keyFile' });
}
