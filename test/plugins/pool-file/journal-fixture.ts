// What the tests of pool-file share: folders of their own, journals in them, servers to put in.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../core/clock.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import type { StoreChange } from '../../../core/pool/store.ts';
import { parse } from '../../../core/settings/options.ts';
import { collectingLogger, type LogLine } from '../../../core/testing/log-lines.ts';
import { PoolJournal } from '../../../plugins/pool-file/pool-journal.ts';

/** Calls `body` with a new folder, which is gone afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-pool-file-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function openJournal(path: string): Promise<{ journal: PoolJournal; logs: LogLine[] }> {
  const logs: LogLine[] = [];
  const journal = await PoolJournal.open({ path, log: collectingLogger(logs), clock: systemClock });
  return { journal, logs };
}

/** What a journal holds, read as a start of Weldr reads it. */
export async function readJournal(path: string): Promise<{ ids: string[]; logs: LogLine[] }> {
  const { journal, logs } = await openJournal(path);
  const { entries } = await journal.load();
  await journal.close();
  return { ids: entries.map(entry => entry.id), logs };
}

/** @param ttl ms, 1000 or more: a number that the tests can tell changes by */
export function put(port: number, weight = 1, ttl?: number): StoreChange {
  const server = parse(serverDefinition, {
    url: `http://127.0.0.1:${port}`,
    weight,
    ...(ttl === undefined ? {} : { ttl }),
  });
  return { op: 'put', entry: { pool: 'default', id: server.url, kind: 'added', server } };
}

export const idOf = (port: number): string => `http://127.0.0.1:${port}`;
