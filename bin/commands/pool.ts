// `weldr pool …`: handles all run-time changes as a whole.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { describeError } from '../../core/errors.ts';
import type { AdminClient } from '../admin-client.ts';
import { CommandError } from '../command-error.ts';
import { toJson } from './servers.ts';

/** Drops all run-time changes: the config alone applies. */
export async function resetPool(admin: AdminClient, json: boolean): Promise<string> {
  const answer = await admin.call({ method: 'POST', path: '/pool/reset' });
  return json ? toJson(answer ?? {}) : 'all run-time changes are dropped; the config alone applies';
}

/** Exports the run-time changes as JSON, to stdout or to a file that only its owner can read; TLS keys only with `secrets`. */
export async function exportPool(
  admin: AdminClient,
  { file, secrets }: { readonly file: string | undefined; readonly secrets: boolean },
): Promise<string> {
  const path = secrets ? '/pool/export?secrets' : '/pool/export';
  const exported = toJson(await admin.call({ method: 'GET', path }));
  if (file === undefined) return exported;
  try {
    // An existing file would keep its mode, so it is replaced.
    await rm(file, { force: true });
    await writeFile(file, `${exported}\n`, { mode: 0o600, flag: 'wx' });
  } catch (thrown) {
    throw new CommandError(`cannot write ${file}: ${describeError(thrown)}`);
  }
  return `written to ${file}`;
}

/** Imports what `exportPool` has written, from a file or stdin. */
export async function importPool(
  admin: AdminClient,
  file: string | undefined,
  json: boolean,
): Promise<string> {
  const source = file ?? 'stdin';
  let parsed: unknown;
  try {
    parsed = JSON.parse(file === undefined ? await text(process.stdin) : await readFile(file, 'utf8'));
  } catch (thrown) {
    throw new CommandError(`cannot read an exported pool from ${source}: ${describeError(thrown)}`);
  }
  const answer = await admin.call({ method: 'POST', path: '/pool/import', body: parsed });
  return json ? toJson(answer ?? {}) : `imported from ${source}`;
}
